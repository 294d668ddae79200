import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readValues, realSystem } from '../../base.ts'
import { FrameQueue } from './frames.ts'
import { changeDataKeys } from './keys.ts'
import { RecordStream } from './record-stream.ts'

test('changes that give no records do not keep a poll and the heartbeats waiting', { timeout: 10_000 }, async () => {
  const system = realSystem()
  const config = readValues(changeDataKeys, { 'topic.prefix': 'shop', 'heartbeat.interval.ms': '20', 'poll.interval.ms': '1000' })
  const frames = new FrameQueue<string>(system, 1_000_000, { pause() {}, resume() {} })
  let beats = 0
  const maker = { async take() {}, heartbeat: () => void beats++ }
  const stream = new RecordStream(config, system, frames, maker, async () => {})
  const trickle = () => {
    if (beats > 1) return
    frames.push('of another table', 10)
    system.timers.after(2, trickle)
  }
  trickle()
  while (beats < 2) assert.deepEqual(await stream.poll(), [])
})
