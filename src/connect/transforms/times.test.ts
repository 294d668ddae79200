import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectValue, logical, type Schema, struct } from '../../connector.ts'
import { checkTransform, refusal, sinkRecord, structOf, transformed, transformedValue } from '../records.testing.ts'

const text: Schema = { type: 'string' }
const optionalText: Schema = { type: 'string', optional: true }
const timestamp: Schema = { type: 'int64', name: logical.timestamp, version: 1 }

test('TimestampConverter', async () => {
  const format = 'yyyy MM dd HH mm ss SSS z'
  const shown = '1970 01 02 00 00 01 234 UTC'
  const date: Schema = { type: 'int32', name: logical.date, version: 1 }
  const time: Schema = { type: 'int32', name: logical.time, version: 1 }
  await checkTransform('TimestampConverter$Value', [
    [{ 'target.type': 'string', format }, timestamp, 86_401_234n, text, shown],
    [{ 'target.type': 'unix' }, timestamp, 86_401_234n, { type: 'int64' }, 86_401_234n],
    [{ 'target.type': 'unix', 'unix.precision': 'seconds' }, timestamp, 86_401_234n, { type: 'int64' }, 86_401n],
    [{ 'target.type': 'unix', 'unix.precision': 'microseconds' }, timestamp, 86_401_234n, { type: 'int64' }, 86_401_234_000n],
    [{ 'target.type': 'Timestamp', 'unix.precision': 'nanoseconds' }, { type: 'int64' }, 86_401_234_123_456n, timestamp, 86_401_234n],
    [{ 'target.type': 'Date' }, timestamp, 86_401_234n, date, 1],
    [{ 'target.type': 'Date' }, timestamp, -1n, date, -1],
    [{ 'target.type': 'Time' }, timestamp, 86_401_234n, time, 1234],
    [{ 'target.type': 'Timestamp' }, date, 1, timestamp, 86_400_000n],
    [{ 'target.type': 'Timestamp', format }, text, shown, timestamp, 86_401_234n],
    [{ 'target.type': 'Timestamp', format }, { ...optionalText }, null, { ...timestamp, optional: true }, null],
    [{ 'target.type': 'unix', format }, null, shown, null, 86_401_234],
    [{ 'target.type': 'string', format }, null, 86_401_234, null, shown],
    [
      { 'target.type': 'unix', field: 'ts', format },
      null,
      struct([
        ['ts', shown],
        ['o', 1],
      ]),
      null,
      struct([
        ['ts', 86_401_234],
        ['o', 1],
      ]),
    ],
    [
      { 'target.type': 'Timestamp', field: 'ts' },
      structOf({ ts: { type: 'int64', optional: true }, other: text }),
      struct([
        ['ts', 5n],
        ['other', 'x'],
      ]),
      structOf({ ts: { ...timestamp, optional: true }, other: text }),
      struct([
        ['ts', 5n],
        ['other', 'x'],
      ]),
    ],
  ])
  const bad: [keys: Record<string, string>, schema: Schema | null, value: ConnectValue, message: string][] = [
    [{ 'target.type': 'string' }, null, null, 'TimestampConverter requires format option to be specified when using string timestamps'],
    [{ 'target.type': 'unix', format: 'yyyy' }, null, 'x', 'Could not parse timestamp: value (x) does not match pattern (yyyy)'],
    [{ 'target.type': 'unix' }, null, true, 'TimestampConverter does not support class java.lang.Boolean objects as timestamps'],
    [{ 'target.type': 'unix' }, { type: 'int32' }, 1, 'Schema Schema{INT32} does not correspond to a known timestamp type format'],
    [
      { 'target.type': 'unix', format: 'bb' },
      null,
      null,
      "TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: bb (Illegal pattern character 'b')",
    ],
  ]
  for (const [keys, schema, value, message] of bad)
    assert.equal(await refusal(() => transformedValue('TimestampConverter$Value', keys, schema, value)), message)
})

test('topics: RegexRouter and TimestampRouter', async () => {
  const routed = async (regex: string, replacement: string) =>
    (await transformed('RegexRouter', { regex, replacement }, sinkRecord()))!.topic
  assert.equal(await routed('fo', 'x'), 'orders')
  assert.equal(await routed('(ord)(.*)', 'prefix-$2-$1'), 'prefix-ers-ord')
  assert.match((await refusal(() => routed('(', 'x')))!, /^Invalid value \( for configuration transforms\.t\.regex: Invalid regex: /)
  const timed = await transformed(
    'TimestampRouter',
    { 'topic.format': `a-\${topic}-\${timestamp}`, 'timestamp.format': 'yyyy-MM-dd' },
    sinkRecord(),
  )
  assert.equal(timed!.topic, 'a-orders-1970-01-02')
  assert.match(
    (await refusal(() => transformed('TimestampRouter', {}, sinkRecord({ timestampMs: null }))))!,
    /^Timestamp missing on record/,
  )
})
