/** Records and transforms for tests. */
import assert from 'node:assert/strict'
import { realSystem, trustingClock } from '../base.ts'
import type { ConnectRecord, ConnectValue, Schema, SinkRecord } from '../connector.ts'
import { openTransforms } from './transforms.ts'

let ms = 0
/** Each look at its clock takes a millisecond, so that limits of time do not depend on the machine. */
export const testSystem = {
  ...realSystem(),
  clock: trustingClock(
    () => Date.UTC(2026, 10, 30),
    () => ms++,
  ),
}

export function sinkRecord(given: Partial<SinkRecord> = {}): SinkRecord {
  return {
    topic: 'orders',
    partition: 3,
    offset: 42n,
    original: { topic: 'orders', partition: 3, offset: 42n },
    keySchema: null,
    key: null,
    valueSchema: null,
    value: null,
    timestampMs: 86_401_234n,
    timestampType: 'CREATE_TIME',
    headers: [],
    ...given,
  }
}

/** One transform with these keys. */
export function configOf(type: string, keys: Readonly<Record<string, string>> = {}): Map<string, string> {
  const own = Object.entries(keys).map(([key, value]) => [`transforms.t.${key}`, value] as const)
  return new Map([['transforms', 't'], ['transforms.t.type', type], ...own])
}

/** Applies one transform to one record. */
export async function transformed<R extends ConnectRecord>(
  type: string,
  keys: Readonly<Record<string, string>>,
  record: R,
): Promise<R | null> {
  const transforms = await openTransforms(configOf(type, keys), { system: testSystem })
  try {
    return transforms.apply(record)
  } finally {
    transforms.close()
  }
}

/** What a transform makes of the value. */
export async function transformedValue(
  type: string,
  keys: Readonly<Record<string, string>>,
  schema: Schema | null,
  value: ConnectValue,
): Promise<{ schema: Schema | null; value: ConnectValue }> {
  const result = await transformed(type, keys, sinkRecord({ valueSchema: schema, value }))
  return { schema: result!.valueSchema, value: result!.value }
}

/** The message of the error, or null. */
export async function refusal(work: () => unknown): Promise<string | null> {
  try {
    await work()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

export function structOf(fields: Readonly<Record<string, Schema>>, rest: Partial<Schema> = {}): Schema {
  return { type: 'struct', ...rest, fields: Object.entries(fields).map(([name, schema]) => ({ name, schema })) }
}

type Case = [keys: Record<string, string>, schema: Schema | null, value: ConnectValue, newSchema: Schema | null, newValue: ConnectValue]

/** What a transform with these keys makes of these values. */
export async function checkTransform(type: string, cases: readonly Case[]): Promise<void> {
  for (const [keys, schema, value, newSchema, newValue] of cases) {
    const result = await transformedValue(type, keys, schema, value)
    assert.deepEqual(result, { schema: newSchema, value: newValue }, `${type} ${JSON.stringify(keys)}`)
  }
}
