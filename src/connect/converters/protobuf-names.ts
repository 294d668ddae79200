/** Names of Confluent's ProtobufData, and what its keys decide. */
import { logical, type Schema } from '../../connector.ts'
import { generalUnion } from './sum-types.ts'

const protobufNamespace = 'io.confluent.connect.protobuf'
export const tagParameter = `${protobufNamespace}.Tag`
export const typeParameter = `${protobufNamespace}.Type`
export const wrapperParameter = `${protobufNamespace}.Wrapper`
export const enumParameter = `${protobufNamespace}.Enum`
export const unionPrefix = `${protobufNamespace}.Union.`
export const precisionParameter = 'connect.decimal.precision'

export interface ProtobufRules {
  readonly enhanced: boolean
  readonly generalSums: boolean
  readonly ignoreDefaults: boolean
  readonly scrub: boolean
  readonly intForEnums: boolean
  readonly optionalForNullables: boolean
  readonly wrapperForNullables: boolean
  readonly wrapperForPrimitives: boolean
  readonly indexForUnions: boolean
  readonly flattenUnions: boolean
}

export const decimalMessage = 'confluent.type.Decimal'
export const dateMessage = 'google.type.Date'
export const timeMessage = 'google.type.TimeOfDay'
export const timestampMessage = 'google.protobuf.Timestamp'

/** Messages for logical types. */
export const logicalMessages: ReadonlyMap<string, string> = new Map([
  [logical.decimal, decimalMessage],
  [logical.date, dateMessage],
  [logical.time, timeMessage],
  [logical.timestamp, timestampMessage],
])

/** Wrappers of scalars, and the type of their value. */
export const wrapperTypes: ReadonlyMap<string, Schema['type']> = new Map<string, Schema['type']>([
  ['google.protobuf.DoubleValue', 'float64'],
  ['google.protobuf.FloatValue', 'float32'],
  ['google.protobuf.Int64Value', 'int64'],
  ['google.protobuf.UInt64Value', 'int64'],
  ['google.protobuf.Int32Value', 'int32'],
  ['google.protobuf.UInt32Value', 'int64'],
  ['google.protobuf.BoolValue', 'boolean'],
  ['google.protobuf.StringValue', 'string'],
  ['google.protobuf.BytesValue', 'bytes'],
])

export function isProtobufUnion(schema: Schema): boolean {
  return schema.name?.startsWith(`${protobufNamespace}.Union`) === true || schema.parameters?.[generalUnion] !== undefined
}
