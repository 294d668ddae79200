/** No runner outlives the process that has started it, whatever it does, and however that process ends. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { isProcessThere } from '../../base.ts'

const program = `
  const { realSystem } = await import('${new URL('../../base.ts', import.meta.url)}')
  const { RunnerProcess } = await import('${new URL('./process.ts', import.meta.url)}')
  const code = "export const main_handler = ({ loop }) => { if (loop) { console.log('at work'); for (;;); } return process.pid }"
  const context = { requestId: 'r', functionName: 'f', functionVersion: '1', timeoutMs: 60_000, memoryMb: 64, attempt: 1 }
  const ready = async () => {
    const runner = new RunnerProcess({ memoryMb: 64, network: true }, realSystem())
    await runner.load({ code, language: 'javascript', handler: 'main_handler', environment: {} }, 30_000, () => console.log('looping'))
    return { runner, pid: await runner.call(context, '{}') }
  }
  const [looping, paused, idle] = await Promise.all([ready(), ready(), ready()])
  paused.runner.pause()
  console.log([looping, paused, idle].map(({ pid }) => pid).join())
  await looping.runner.call(context, '{"loop":true}')`

test('killed', async () => {
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  let output = ''
  for await (const chunk of parent.stdout) if (/looping/.test((output += chunk))) break
  const pids = output.split('\n', 1)[0]!.split(',').map(Number)
  assert.deepEqual(pids.map(isProcessThere), [true, true, true])
  const ended = once(parent, 'exit')
  process.kill(-parent.pid!, 'SIGKILL')
  await ended
  for (let tries = 0; tries < 500 && pids.some(isProcessThere); tries++) await setTimeout(10)
  assert.deepEqual(pids.filter(isProcessThere), [])
})

const crowded = `
  const { closeSync, openSync } = await import('node:fs')
  const { realSystem } = await import('${new URL('../../base.ts', import.meta.url)}')
  const { RunnerProcess } = await import('${new URL('./process.ts', import.meta.url)}')
  const { guard, unguard } = await import('${new URL('./guardian.ts', import.meta.url)}')
  const order = { code: 'export const main_handler = () => 1', language: 'javascript', handler: 'main_handler', environment: {} }
  const load = async () => {
    const runner = new RunnerProcess({ memoryMb: 64, network: true }, realSystem())
    const outcome = await runner.load(order, 30_000, () => {}).then(() => 'loaded', ({ kind, type }) => kind + ' ' + type)
    console.log(outcome, runner.isUsable)
    runner.kill()
  }
  console.log('begin')
  const taken = []
  try { for (;;) taken.push(openSync('/dev/null')) } catch {}
  guard(process.pid)
  unguard(process.pid)
  await load()
  for (const each of taken) closeSync(each)
  await load()`

test('where no more files can be opened, a runner fails, and this process goes on', async () => {
  const limited = spawn('/bin/sh', ['-c', 'ulimit -n 200; exec "$0" --input-type=module --eval "$1"', process.execPath, crowded], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  for await (const chunk of limited.stdout) output += chunk
  assert.equal(output, 'begin\ncrash SpawnError false\nloaded true\n')
})
