/**
 * One table over all connectors with a network target: whatever the target does instead of its work, no record is taken for written that it has not, the error says what happened and no
 * secret, and whether trying again may help; nothing waits for ever, and when the target is well again, every record is there.
 */
import assert from 'node:assert/strict'
import { type TestContext as Test, test } from 'node:test'
import { count, SinkDriver, SourceDriver } from '../../../test/support/connector-drivers.ts'
import { Front, type Mode } from '../../../test/support/hostile-front.ts'
import { hidingOf, pause, realSystem, severalAtOnce } from '../../base.ts'
import { DataError, RetriableError } from '../../connector.ts'
import { doors, sourceTargets } from './source-targets.testing.ts'
import { secrets, sinkTargets, type Target } from './targets.testing.ts'

/** Every case at every request, and not only at one of them: minutes. */
const isWhole = process.env['HOSTILE'] === 'whole'
const timeoutMs = 500
/** Until a target that is well again has everything. */
const mostHealingMs = 30_000
const system = realSystem()
const never = new AbortController().signal

interface Case {
  readonly name: string
  readonly mode: Mode
  /** What the error has to be; null: either. */
  readonly isPassing: boolean | null
  /** Somebody has to lose patience. */
  readonly isSlow?: boolean
  /** The target says that it is done. */
  readonly isSuccess?: boolean
}

/** `body`: null for a proxy that shows what it was asked. */
const answerOf = (status: number, body: string | null, type: string): Mode => ({
  answer(asked) {
    const said = body ?? asked.slice(0, 2_000)
    const head = `HTTP/1.1 ${status} Some\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(said)}\r\nconnection: close\r\n\r\n`
    return asked.startsWith('HEAD ') ? head : head + said
  },
})

const refusing = [400, 401, 403, 404, 413].map(
  (status): Case => ({ name: `${status}`, mode: answerOf(status, null, 'text/plain'), isPassing: false }),
)
const busy = [429, 500, 503].map((status): Case => ({ name: `${status}`, mode: answerOf(status, null, 'text/plain'), isPassing: true }))
const nonsense = ['{}', '[]', 'null', '"x"', '{"errors":false,"items":[{}]}', '{"a":', '<a/>', '<a', ''].map(
  (body): Omit<Case, 'mode'> & { body: string } => ({
    name: `200 and ${body === '' ? 'nothing' : body}`,
    isPassing: null,
    isSuccess: true,
    body,
  }),
)
const broken: readonly Case[] = [
  { name: 'hang', mode: 'hang', isPassing: true, isSlow: true },
  { name: 'slow', mode: 'slow', isPassing: true, isSlow: true },
  { name: 'reset', mode: 'reset', isPassing: true },
  { name: 'lost', mode: 'lost', isPassing: true },
  { name: 'refused', mode: 'refused', isPassing: true },
  {
    name: 'bytes',
    mode: { answer: () => Buffer.from([0, 255, 13, 10, 13, 10, 7, 7, 7, 200, 1, 2, 3, 10]) },
    isPassing: null,
    isSlow: true,
  },
]

/** The libraries of databases wait for what they do not understand, and look for a server for a while; and they have no bound for an answer. */
const withoutHttp: readonly Case[] = [
  ...broken,
  { name: 'HTTP', mode: answerOf(400, 'no', 'text/plain'), isPassing: null },
  { name: 'trickle', mode: { trickle: '' }, isPassing: null },
].map(each => ({ ...each, isSlow: true }))

function casesFor({ contentType, isDoorOnly }: Target): Case[] {
  if (isDoorOnly === true) return withoutHttp.filter(({ mode }) => mode !== 'slow' && mode !== 'lost')
  if (contentType === '') return [...withoutHttp]
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${contentType}\r\n\r\n`
  return [
    ...[...refusing, ...busy, ...broken],
    ...nonsense.map(({ body, ...rest }) => ({ ...rest, mode: answerOf(200, body, contentType) })),
    { name: '200 and HTML', mode: answerOf(200, '<html>Please log in</html>', 'text/html'), isPassing: null, isSuccess: true },
    { name: 'endless', mode: { endless: head }, isPassing: null },
    { name: 'trickle', mode: { trickle: head }, isPassing: true, isSlow: true },
  ]
}

const unclear = /^(?:aborted|terminated|fetch failed|socket hang up|undefined|null|\[object Object\]|Unexpected |Cannot read|read ECONN)/

function problemsOf(target: Target, { isPassing, name }: Case, config: Readonly<Record<string, string>>, error: Error): string[] {
  const { message } = error
  const found: string[] = []
  if (
    error.constructor !== Error &&
    !(error instanceof RetriableError) &&
    !(error instanceof DataError) &&
    /^(?:Type|Syntax|Range|Reference|Assertion)Error/.test(error.name)
  )
    found.push(`is a mistake of the program: ${error.stack}`)
  if (unclear.test(message) || message.length < 15) found.push(`is not clear: "${message}"`)
  if (message.length > 2_500) found.push(`has ${message.length} letters`)
  const hidden = hidingOf(config, config, target.definition.config).text(message)
  for (const secret of [secrets.password, secrets.token, Buffer.from(`${secrets.user}:${secrets.password}`).toString('base64')])
    if (hidden.includes(secret)) found.push(`tells a secret: ${hidden}`)
  const gaveUp = /gave up after|also after/.test(message)
  if (isPassing === true && !(error instanceof RetriableError) && !gaveUp) found.push(`is final, but ${name} passes: ${message}`)
  if (isPassing === false && error instanceof RetriableError) found.push(`is tried again, but ${name} stays: ${message}`)
  return found
}

function driverOf({ definition }: Target, config: Readonly<Record<string, string>>): SinkDriver | SourceDriver {
  return definition.kind === 'sink' ? new SinkDriver(definition, config) : new SourceDriver(definition, config)
}

/** What is wrong. `after`: so many turns go well before. Null: there were fewer turns. */
async function run(test: Test, target: Target, it: Case, after: number): Promise<string[] | null> {
  const started = await target.start(test)
  const front = await Front.start(started.url)
  front.speaksFirst = target.speaksFirst ?? false
  const config = started.config(front.url, it.isSlow === true ? timeoutMs : 20_000)
  const driver = driverOf(target, config)
  const took = () => started.took(driver instanceof SourceDriver ? driver.given : [])
  const believes = it.isSuccess === true && (target.believes === 'all' || (target.believes === 'nothing' && it.name === '200 and nothing'))
  const problems: string[] = []
  try {
    await front.turnHostile(it.mode, after)
    for (let attempt = 0; attempt < 2 && !(await driver.attempt()); attempt++);
    if (front.spoilt === 0) return null
    const there = new Set(took())
    if (!believes)
      for (let n = 0; n < driver.confirmed; n++)
        if (!there.has(n) && !driver.reported.has(n)) problems.push(`record ${n} is taken for written`)
    // A source that gives nothing yet is well.
    const isQuiet = driver instanceof SourceDriver || believes
    if (driver.errors.length === 0 && driver.confirmed < count && !isQuiet) problems.push('nothing is confirmed, and no error says why')
    for (const error of driver.errors) problems.push(...problemsOf(target, it, config, error))
    for (const error of driver.reported.values())
      problems.push(...problemsOf(target, { ...it, isPassing: it.isPassing === true ? true : null }, config, error))
    if (front.taken > 80 * 2 ** 20) problems.push(`${front.taken} bytes were taken`)
    if (target.isDoorOnly !== true) {
      await front.heal()
      problems.push(...(await healed(target, driver, took, believes)))
    }
  } finally {
    await driver.close().catch((error: Error) => problems.push(error.message))
    await front.stop()
  }
  return problems
}

async function healed(target: Target, driver: SinkDriver | SourceDriver, took: () => number[], believed: boolean): Promise<string[]> {
  const endMs = performance.now() + mostHealingMs
  while (!(await driver.attempt()))
    if (performance.now() > endMs) return [`does not get well: ${driver.errors.at(-1)?.stack}`]
    else await pause(system, 20, never)
  const all = took()
  const problems: string[] = []
  for (let n = 0; n < count; n++) if (!all.includes(n) && !driver.reported.has(n) && !believed) problems.push(`record ${n} is lost`)
  if (target.exactlyOnce && new Set(all).size < all.length) problems.push(`twice: ${all}`)
  if (all.some(n => n >= count)) problems.push(`too many: ${all}`)
  return problems
}

/** Turns of a run in which all goes well. */
async function turnsOf(test: Test, target: Target): Promise<number> {
  if (target.isDoorOnly === true) return 1
  const started = await target.start(test)
  const front = await Front.start(started.url)
  const driver = driverOf(target, started.config(front.url, 10_000))
  for (let attempt = 0; attempt < 5 && !(await driver.attempt()); attempt++);
  await driver.close()
  await front.stop()
  const all = started.took(driver instanceof SourceDriver ? driver.given : [])
  assert.deepEqual(all.sort(), [0, 1, 2], `${target.name}: ${driver.errors.map(error => error.stack)}`)
  return front.turns
}

for (const target of [...sinkTargets, ...sourceTargets, ...doors])
  test(`a hostile target of ${target.name}`, async t => {
    const turns = await turnsOf(t, target)
    const cases = casesFor(target)
    const runs = isWhole
      ? cases.flatMap(it => Array.from({ length: turns }, (_, after) => ({ it, after })))
      : cases.map((it, index) => ({ it, after: index % turns }))
    const problems: string[] = []
    await severalAtOnce(runs, 8, async ({ it, after }) => {
      const beganMs = performance.now()
      // A library may speak in fewer turns than the last time.
      let found: string[] | null = null
      for (let at = after; at >= 0 && found === null; at--) found = await run(t, target, it, at)
      if (isWhole) t.diagnostic(`${it.name} at request ${after}: ${Math.round(performance.now() - beganMs)} ms`)
      assert.ok(found !== null, `${it.name} at request ${after} was not tried`)
      for (const each of found) problems.push(`${it.name} at request ${after}: ${each}`)
    })
    assert.deepEqual(problems, [], `${turns} turns`)
  })
