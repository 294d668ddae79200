import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'

/** Logs 3 MB in turns of the event loop; each turn says on standard output that it came to an end. */
const program = `
import { jsonLogger } from ${JSON.stringify(new URL('./logger.ts', import.meta.url).href)}
const logger = jsonLogger('info')
let turn = 0
const next = () => {
  for (let i = 0; i < 100; i++) logger.warn({ turn, i, fill: 'x'.repeat(1000) }, 'a line')
  process.stdout.write('turn ' + turn + '\\n')
  if (++turn < 30) setImmediate(next)
}
next()
process.stdin.once('data', () => {
  logger.warn({}, 'the last line')
  process.stdin.destroy()
})
`

function run(stderr: 'pipe' | number) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', stderr] })
  let out = ''
  const turns = new Promise<void>(resolve => child.stdout!.on('data', data => (out += data).includes('turn 29\n') && resolve()))
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const failed = ended.then(code => Promise.reject(new Error(`ended with ${code} after:\n${out}`)))
  failed.catch(() => {})
  return { child, turns: Promise.race([turns, failed]), ended }
}

const limit = { timeout: 60_000 }

test('a log whose reader does not read blocks nothing; missing lines are counted where they are missing', limit, async () => {
  const { child, turns, ended } = run('pipe')
  await turns
  let log = ''
  child.stderr!.on('data', data => (log += data))
  // The lines that waited come by themselves.
  while (log.length < 1_000_000) await new Promise(resolve => child.stderr!.once('data', resolve))
  child.stdin!.end('go on')
  assert.equal(await ended, 0)
  const lines = log
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as { msg: string; count?: number })
  const written = lines.filter(({ msg }) => msg === 'a line').length
  const missing = lines.filter(({ msg }) => msg.startsWith('log messages are missing here')).map(({ count }) => count!)
  assert.ok(missing.length > 0 && written > 900, `${written} lines`)
  assert.equal(written + missing.reduce((sum, count) => sum + count, 0), 3000)
  assert.equal(lines.at(-1)!.msg, 'the last line')
})

test('a log on a full disk, or without a reader, does not end the process', limit, async t => {
  const full = openSync('/dev/full', 'w')
  t.after(() => closeSync(full))
  const onFullDisk = run(full)
  await onFullDisk.turns
  onFullDisk.child.stdin!.end('go on')
  assert.equal(await onFullDisk.ended, 0)
  const unread = run('pipe')
  unread.child.stderr!.destroy()
  await unread.turns
  unread.child.stdin!.end('go on')
  assert.equal(await unread.ended, 0)
})
