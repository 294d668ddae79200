/** A topic that is made again, and one of the first id again, as after a restore of the cluster: with the real server, every record of each must be in files. */
import assert from 'node:assert/strict'
import { struct } from '../../src/connector.ts'
import { openTask, plainRecord } from './open.ts'
import type { Judge } from './systems/system.ts'

const topic = 'made-again'
const [first, second] = ['AAAAAAAAAAAAAAAAAAAAAQ', 'AAAAAAAAAAAAAAAAAAAAAg']
/** What was read of which topic, from which offset on. */
const runs = [
  { topicId: first, from: 0 },
  { topicId: second, from: 0 },
  { topicId: second, from: 2 },
  { topicId: first, from: 2 },
]

/** `bodies`: of the files of NDJSON below a folder. */
export function judgeMadeAgain(
  judge: Judge,
  connector: string,
  config: Readonly<Record<string, string>>,
  bodies: (folder: string) => AsyncIterable<Buffer>,
): Promise<void> {
  return judge('topic-made-again', async () => {
    for (const { topicId, from } of runs) {
      const task = await openTask(connector, { ...config, 'topics.dir': 'again', 'flush.size': '2' })
      await task.opened!([{ topic, partition: 0, topicId }])
      await task.put([from, from + 1].map(n => plainRecord(topic, n, { value: struct([['place', `${topicId} ${n}`]]) })))
      await task.flush()
      await task.close()
    }
    const found: string[] = []
    for await (const body of bodies(`again/${topic}`))
      for (const line of body.toString().trim().split('\n')) found.push((JSON.parse(line) as { place: string }).place)
    assert.deepEqual(
      found.sort(),
      [first, second].flatMap(id => [0, 1, 2, 3].map(n => `${id} ${n}`)),
    )
  })
}
