import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { platform } from 'node:process'
import { test } from 'node:test'
import { processesHere, processName } from './processes.ts'

const skip = platform !== 'linux' && 'only Linux says who a process is'

test('a process has ended when it was killed, and not before', { skip }, async () => {
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const name = processName(child.pid!)!
  assert.equal(processesHere.hasEnded(name), false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(processesHere.hasEnded(name), true)
  assert.equal(processesHere.hasEnded(processesHere.own!), false)
})

test('the same id at another time is another process; of other machines, boots and containers nothing is known', { skip }, () => {
  const [boot, processes, time, pid, begun] = processesHere.own!.split(' ') as [string, string, string, string, string]
  const ended = (...fields: string[]) => processesHere.hasEnded(fields.join(' '))
  assert.equal(ended(boot, processes, time, pid, `${Number(begun) - 1}`), true)
  const dead = '4194304'
  assert.equal(ended(boot, processes, time, dead, begun), true)
  assert.equal(ended(boot, 'pid:[1]', time, dead, begun), false)
  assert.equal(ended(boot, processes, 'time:[1]', dead, begun), false)
  assert.equal(ended('00000000-0000-4000-8000-000000000000', processes, time, dead, begun), false)
  for (const odd of ['', '-1', '0', '1.5', 'x']) assert.equal(ended(boot, processes, time, odd, begun), false)
})
