import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fatalExitCode } from './process-logger.ts'

const module = new URL('process-logger.ts', import.meta.url)

/** A process of its own: it opens its log, something happens, and a moment later it says that it is still there. */
function play(afterRejection: 'end' | 'go on', happens: string) {
  const program = `
    const { processLogger } = await import(${JSON.stringify(module)})
    const logger = processLogger({ level: 'info', afterRejection: '${afterRejection}', onRejection: () => logger.info({}, 'counted') })
    setTimeout(() => { ${happens} }, 1)
    setTimeout(() => logger.info({}, 'still there'), 30)`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
  const lines = stderr.trimEnd().split('\n')
  return { status, log: lines.map(line => JSON.parse(line) as { msg: string; level: number; err?: { message: string; stack: string } }) }
}

const errorLevel = 50
const ended = 'the process ends, because its state is unknown'

test('services go on after a rejection that nothing handles: it is logged with its stack, and counted', () => {
  const { status, log } = play('go on', `Promise.reject(new Error('missed'))`)
  assert.deepEqual(
    log.map(({ msg }) => msg),
    ['a failure was not handled, which is a fault of this program; the process goes on', 'counted', 'still there'],
  )
  assert.equal(log[0]!.level, errorLevel)
  assert.match(log[0]!.err!.stack, /^Error: missed\n +at /)
  assert.equal(status, 0)
})

test('a broker ends after it, and says why', () => {
  const { status, log } = play('end', 'Promise.reject("a text")')
  assert.deepEqual(
    log.map(({ msg, level, err }) => [msg, level, err?.message]),
    [[`a failure was not handled, which is a fault of this program; ${ended}`, errorLevel, 'thrown: a text']],
  )
  assert.equal(status, fatalExitCode)
})

test('after an exception that nothing catches every process ends', () => {
  for (const policy of ['end', 'go on'] as const) {
    const { status, log } = play(policy, `throw new TypeError('broken')`)
    assert.deepEqual(
      log.map(({ msg, err }) => [msg, err?.message]),
      [[`an exception was not caught; ${ended}`, 'broken']],
    )
    assert.equal(status, fatalExitCode)
  }
})
