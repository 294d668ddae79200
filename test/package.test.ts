import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** What `npm pack` would hold, in a project of somebody else. */
const repository = fileURLToPath(new URL('..', import.meta.url))
const compiler = join(repository, 'node_modules/.bin/tsc')
let project: string

before(() => {
  project = mkdtempSync(join(tmpdir(), 'millrace-package-'))
  const installed = join(project, 'node_modules/millrace')
  mkdirSync(installed, { recursive: true })
  execFileSync(compiler, ['-p', join(repository, 'tsconfig.build.json'), '--outDir', join(installed, 'dist')])
  for (const name of ['package.json', 'bin', 'node_modules']) symlinkSync(join(repository, name), join(installed, name))
  symlinkSync(join(repository, 'node_modules/@types'), join(project, 'node_modules/@types'))
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'app', type: 'module' }))
  writeFileSync(
    join(project, 'app.ts'),
    `import { startBroker, type Millrace } from 'millrace'
import { openClient } from 'millrace/client'
const broker: Millrace = await startBroker({ memory: true, config: { 'num.partitions': 3, 'auto.create.topics.enable': false } })
const client = openClient({ bootstrap: broker.address })
await client.createTopic({ name: 'orders', configs: new Map() })
const [topic] = await client.topics(['orders'])
console.log(topic!.partitions.length)
await client.close()
await broker.close()
`,
  )
})
after(() => rmSync(project, { recursive: true, force: true }))

test('the types of the package need no newer library than es2022', () => {
  for (const lib of ['es2022', 'esnext']) {
    const compilerOptions = {
      target: 'es2022',
      lib: [lib],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: ['node'],
    }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['app.ts'] }))
    const { status, stdout } = spawnSync(compiler, ['-p', project], { encoding: 'utf8' })
    assert.equal(status, 0, stdout)
  }
})

test('the connectors of the guide compile in a strict project, each has 30 lines, and its test passes', () => {
  const guide = readFileSync(join(repository, 'docs/write-a-connector.md'), 'utf8')
  const [shout, check, feed, testing] = Array.from(guide.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code!)
  const files = { 'shout.ts': shout!, 'feed.ts': feed!, 'shout.test.ts': testing! }
  for (const [name, code] of Object.entries(files)) writeFileSync(join(project, name), code)
  const checked = shout!.replace('  config: {', `  ${check!.trim()},\n  config: {`)
  writeFileSync(join(project, 'checked.ts'), checked)
  for (const code of [shout!, feed!]) assert.ok(code.trim().split('\n').length <= 30)
  const compilerOptions = {
    target: 'es2024',
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
    allowImportingTsExtensions: true,
  }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: [...Object.keys(files), 'checked.ts'] }))
  const { status, stdout } = spawnSync(compiler, ['-p', project], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
  execFileSync(process.execPath, ['--test', 'shout.test.ts'], { cwd: project, encoding: 'utf8' })
})

test('a program in TypeScript runs with the package', () => {
  assert.equal(execFileSync(process.execPath, ['app.ts'], { cwd: project, encoding: 'utf8' }), '3\n')
})

test('a compiled package runs functions of triggers', () => {
  const dist = join(project, 'node_modules/millrace/dist')
  const program = `
    const { realSystem } = await import('${dist}/base.js')
    const { RunnerProcess } = await import('${dist}/triggers/runner/process.js')
    const runner = new RunnerProcess({ memoryMb: 64, network: true }, realSystem())
    await runner.load({ code: 'export const main_handler = event => event.n + 1', language: 'javascript', handler: 'main_handler', environment: {} }, 30_000, () => {})
    console.log(await runner.call({ requestId: 'r', functionName: 'f', functionVersion: '1', timeoutMs: 30_000, memoryMb: 64, attempt: 1 }, '{"n":1}'))
    runner.kill()`
  assert.equal(execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' }), '2\n')
})

test('on an older Node the error is one sentence', () => {
  writeFileSync(join(project, 'old.cjs'), "Object.defineProperty(process.versions, 'node', { value: '20.20.2' })\n")
  writeFileSync(
    join(project, 'app.js'),
    "import { startBroker } from 'millrace'\nawait startBroker({ memory: true }).catch(e => console.log(e.stack))\n",
  )
  const { stdout } = spawnSync(process.execPath, ['-r', './old.cjs', 'app.js'], { cwd: project, encoding: 'utf8' })
  assert.equal(stdout, 'millrace requires Node.js 22.18 or newer; this is 20.20.2\n')
})
