import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { type Client, ClientError } from '../client.ts'
import type { Logger } from '../logger.ts'
import { logTopic, TriggerLogs } from './logs.ts'

const source = { name: 't', version: 1, origin: '' }

function logs(send: () => void) {
  const made: Map<string, string>[] = []
  const told: [string, object][] = []
  const client = {
    async send(topic: string, _: unknown, { creates }: { creates: boolean }) {
      assert.deepEqual([topic, creates], [logTopic, false])
      send()
    },
    async createTopic({ configs }: { configs: Map<string, string> }) {
      made.push(configs)
    },
  } as unknown as Client
  let nowMs = 0
  const system = { timers: realSystem().timers, clock: { ...realSystem().clock, monotonic: () => nowMs } }
  const logger = { warn: (fields: object, message: string) => void told.push([message, fields]) } as unknown as Logger
  return { logs: new TriggerLogs({ client, system, logger }), made, told, pass: (ms: number) => void (nowMs += ms) }
}

test('a topic of logs that somebody has deleted is made again with its limits, and no line is lost', async () => {
  let isThere = false
  let sent = 0
  const {
    logs: lines,
    made,
    told,
  } = logs(() => {
    if (!isThere) {
      isThere = true
      throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', 'gone')
    }
    sent++
  })
  lines.write(source, 'stdout', 'a line')
  await lines.flush()
  assert.deepEqual([sent, told.length, made.length], [1, 0, 1])
  assert.equal(made[0]!.get('retention.bytes'), '1073741824')
})

test('that lines are missing is told once a minute, with the trigger and how many', async () => {
  let isAway = false
  const {
    logs: lines,
    told,
    pass,
  } = logs(() => {
    if (isAway) throw new ClientError('UNREACHABLE', 'away')
  })
  for (let round = 0; round < 20; round++) {
    for (let count = 0; count < 10_003; count++) lines.write(source, 'stdout', 'x')
    await lines.flush()
    pass(200)
  }
  isAway = true
  pass(60_000)
  for (const _ of [1, 2, 3]) {
    lines.write(source, 'stdout', 'x')
    await lines.flush()
  }
  assert.deepEqual(
    told.map(([message, { err, ...fields }]: [string, { err?: unknown }]) => [message, fields]),
    [
      ['functions have written more than can be stored; lines are missing', { trigger: 't', lines: 3 }],
      ['what functions have written cannot be stored', { lines: 1 }],
      ['functions have written more than can be stored; lines are missing', { trigger: 't', lines: 57 }],
    ],
  )
})
