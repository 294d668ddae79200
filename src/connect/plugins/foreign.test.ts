import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { readValues, realSystem } from '../../base.ts'
import { Plugins } from '../plugins.ts'
import { ForeignModule, foreignProblems } from './foreign.ts'

const directory = mkdtempSync(join(tmpdir(), 'plugins-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const connector = pathToFileURL(join(import.meta.dirname, '../../connector.ts')).href
const system = realSystem()

let made = 0
function moduleOf(code: string): string {
  const file = join(directory, `${made++}.mjs`)
  writeFileSync(file, `import { int, password, string } from '${connector}'\n${code}`)
  return file
}

const facts = `classes: [], version: '1.2.3', summary: 'x', example: {}, open: async () => ({})`

test('a connector is asked in a thread of its own, with its own values', async () => {
  const module = new ForeignModule(
    moduleOf(`export const it = {
      kind: 'source', name: 'it', ${facts}, converter: 'bytes',
      config: { level: int({ default: 3, min: 1, max: 9, doc: 'a level' }), pin: password({ doc: 'a pin' }) },
      tasks: async ({ level, pin }, most) => Array.from({ length: Math.min(most, level) }, (_, at) => ({ at: String(at), pin })),
      check: ({ level }) => new Map([['level', 'is ' + typeof level + ' ' + level]]),
      exactlyOnce: ({ level }) => level > 5,
      recommend: async () => new Map([['level', ['4']]]),
    }`),
    system,
  )
  const [it] = await module.definitions()
  assert.ok(it!.kind === 'source')
  const { name, version, config, converter } = it!
  assert.deepEqual([name, version, config['level']!.default, config['pin']!.type, converter], ['it', '1.2.3', '3', 'PASSWORD', 'bytes'])
  const values = readValues(config, { level: '7', pin: 'p' }) as never
  assert.deepEqual(await it!.tasks!(values, 2), [
    { at: '0', pin: 'p' },
    { at: '1', pin: 'p' },
  ])
  assert.deepEqual(await it!.check!(values), new Map([['level', 'is number 7']]))
  const problems = await foreignProblems(it!, readValues(config, { level: '70' }))
  assert.deepEqual([...problems], [['level', 'Invalid value 70 for configuration level: Value must be no more than 9']])
  assert.equal(await it!.exactlyOnce!(values), true)
  assert.deepEqual(await it!.recommend!(values), new Map([['level', ['4']]]))
  assert.equal(it!.transactionBoundaries, undefined)
  await module.close()
})

test('what loops, leaves, throws or gives what cannot be sent is an error of that question, and the next one is answered', async () => {
  const file = moduleOf(`export const it = {
      kind: 'source', name: 'it', ${facts}, config: { how: string({ default: '', doc: 'x' }) },
      tasks: ({ how }) => {
        Object.prototype.spoilt = true
        if (how === 'forever') for (;;);
        if (how === 'never') return new Promise(() => {})
        if (how === 'exit') process.exit(3)
        if (how === 'null') throw null
        if (how === 'later') return new Promise(() => setTimeout(() => { throw null }, 1))
        if (how === 'function') return [() => 1]
        return []
      },
    }`)
  const [module, impatient] = [new ForeignModule(file, system), new ForeignModule(file, system, 500)]
  const [[it], [late]] = [await module.definitions(), await impatient.definitions()]
  const ask = async (definition: unknown, how: string) =>
    (definition as { tasks: (texts: object, most: number) => Promise<unknown> }).tasks({ how }, 1)
  for (const how of ['forever', 'never']) await assert.rejects(ask(late, how), /has not answered within 500 ms/, how)
  for (const [how, words] of [
    ['exit', /ended its thread with code 3/],
    ['null', /null was thrown/],
    ['later', /null/],
    ['function', /could not be cloned/],
  ] as const)
    await assert.rejects(ask(it, how), words, how)
  assert.deepEqual(await ask(it, ''), [])
  assert.equal('spoilt' in {}, false)
  await Promise.all([module.close(), impatient.close()])
})

test('a module that cannot be loaded is refused, whatever it does', async () => {
  for (const [code, words] of [
    ['throw null', /null was thrown/],
    ['process.exit(1)', /ended its thread with code 1/],
    ['export const nothing = 1', /exports no connector/],
    ['this is no code', /Unexpected identifier/],
    [`export const it = { kind: 'sink', name: 'getter', ${facts}, get config() { throw new Error('not today') } }`, /not today/],
  ] as const)
    await assert.rejects(Plugins.open([moduleOf(code)], system), words, code)
})
