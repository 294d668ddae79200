/**
 * The language in which Kafka's messages are defined, one file per API under `definitions/`.
 *
 * A message is an object of fields in wire order. Each field has a type and, where they differ from Kafka's usual, its versions, the
 * versions in which it may be null, its default, its tag, and whether it may silently be dropped (`ignorable`) where a version lacks
 * it; the words and their meaning are those of Kafka's own message definitions. TypeScript infers the type of the message:
 *
 *     type Request = MessageOf<typeof heartbeat.request>     // what a decoder returns: every field is there
 *     type Response = InputOf<typeof heartbeat.response>     // what an encoder takes: fields with a default, a tag, or ignorable may be left
 *                                                            // out, and those that the version to be encoded does not have
 *
 * Nothing here reads or writes bytes: see `codec.ts`.
 */
import { assert, type Int64 } from '../base.ts'
import type { Uuid } from './uuid.ts'

/** `'3+'`, `'0-12'`, `'4'`; as in Kafka's definitions. */
export type VersionRange = string

export interface FieldOptions<T> {
  /** Where the field exists; default: wherever its message does. */
  versions?: VersionRange
  nullable?: VersionRange
  /** What a decoder puts where the field is absent. Otherwise 0, false, '', [], the zero UUID, an object of defaults; null for records. */
  default?: T | null
  /** Of a tagged field, which it then is wherever it exists. */
  tag?: number
  /** A value other than the default is silently dropped in versions without the field; otherwise encoding throws. */
  ignorable?: boolean
}

export type Primitive =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'string'
  | 'bytes'
  | 'records'
  | 'uuid'

declare const types: unique symbol

/** `In`: what an encoder takes; `Optional`: whether it may be left out there. */
export interface Field<Out = unknown, In = Out, Optional extends boolean = boolean> {
  readonly type: Primitive | 'array' | 'struct'
  /** Of an array. */
  readonly of?: Field
  /** Of a struct. */
  readonly fields?: Fields
  readonly options: FieldOptions<unknown>
  /** Exists for the type checker only. */
  readonly [types]: { out: Out; in: In; optional: Optional }
}

export type Fields = { readonly [name: string]: Field }

/** A message as decoded. */
export type MessageOf<F extends Fields> = { -readonly [K in keyof F]: F[K][typeof types]['out'] }

type RequiredKeys<F extends Fields> = { [K in keyof F]: F[K][typeof types]['optional'] extends true ? never : K }[keyof F]
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K][typeof types]['optional'] extends true ? K : never }[keyof F]

/** A message to be encoded. */
export type InputOf<F extends Fields> = { [K in RequiredKeys<F>]: F[K][typeof types]['in'] } & {
  [K in OptionalKeys<F>]?: F[K][typeof types]['in'] | undefined
}

type Nullable<T, O> = O extends { nullable: string } ? T | null : T
/** A field of some versions only may be left out, too; but the encoder of a version that has it insists, unless it has a default. */
type MayOmit<O> = O extends { default: unknown } | { tag: number } | { ignorable: true } | { versions: string } ? true : false
type Built<Out, In, O> = Field<Nullable<Out, O>, Nullable<In, O>, MayOmit<O>>

function field<Out, In, O>(type: Field['type'], options: O | undefined, rest?: Partial<Field>): Built<Out, In, O> {
  return { type, options: options ?? {}, ...rest } as unknown as Built<Out, In, O>
}

// biome-ignore lint/complexity/noBannedTypes: the type of "no options given"
type None = {}

export const bool = <const O extends FieldOptions<boolean> = None>(options?: O) => field<boolean, boolean, O>('bool', options)
export const int8 = <const O extends FieldOptions<number> = None>(options?: O) => field<number, number, O>('int8', options)
export const int16 = <const O extends FieldOptions<number> = None>(options?: O) => field<number, number, O>('int16', options)
export const uint16 = <const O extends FieldOptions<number> = None>(options?: O) => field<number, number, O>('uint16', options)
export const int32 = <const O extends FieldOptions<number> = None>(options?: O) => field<number, number, O>('int32', options)
export const uint32 = <const O extends FieldOptions<number> = None>(options?: O) => field<number, number, O>('uint32', options)
export const int64 = <const O extends FieldOptions<Int64> = None>(options?: O) => field<Int64, Int64, O>('int64', options)
export const float64 = <const O extends FieldOptions<number> = None>(options?: O) => field<number, number, O>('float64', options)
export const string = <const O extends FieldOptions<string> = None>(options?: O) => field<string, string, O>('string', options)
export const bytes = <const O extends FieldOptions<never> = None>(options?: O) => field<Buffer, Buffer, O>('bytes', options)
export const uuid = <const O extends FieldOptions<never> = None>(options?: O) => field<Uuid, Uuid, O>('uuid', options)

/** Record batches, verbatim. Decoded as a view; when encoding, several pieces are spliced by reference. */
export const records = <const O extends FieldOptions<never> = None>(options?: O) =>
  field<Buffer, Buffer | readonly Buffer[], O>('records', options)

export function array<Out, In, const O extends FieldOptions<never> = None>(of: Field<Out, In>, options?: O) {
  return field<Out[], readonly In[], O>('array', options, { of })
}

export function struct<F extends Fields, const O extends FieldOptions<never> = None>(fields: F, options?: O) {
  return field<MessageOf<F>, InputOf<F>, O>('struct', options, { fields })
}

/** A versioned structure that is not an API: a record of an internal topic, a consumer's subscription, … */
export interface Message<F extends Fields = Fields> {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
  /** First version with compact lengths and tagged fields; Infinity when there is none. */
  readonly flexibleFrom: number
  readonly fields: F
}

export interface Api<Request extends Fields = Fields, Response extends Fields = Fields> {
  readonly key: number
  readonly name: string
  /** Oldest and newest version that this program can read and write, those that Kafka 4 dropped included. */
  readonly minVersion: number
  readonly maxVersion: number
  readonly flexibleFrom: number
  /** Kafka marks the newest version as not to be announced yet. */
  readonly latestVersionUnstable: boolean
  readonly request: Request
  readonly response: Response
  /** The same two, as the codec takes them. */
  readonly messages: { readonly request: Message<Request>; readonly response: Message<Response> }
}

export function defineMessage<F extends Fields>(spec: {
  name: string
  versions: VersionRange
  flexible?: VersionRange
  fields: F
}): Message<F> {
  const [minVersion, maxVersion] = parseVersions(spec.versions)
  const [flexibleFrom] = spec.flexible ? parseVersions(spec.flexible) : [Number.POSITIVE_INFINITY]
  return { name: spec.name, minVersion, maxVersion, flexibleFrom, fields: spec.fields }
}

export function defineApi<Request extends Fields, Response extends Fields>(spec: {
  key: number
  name: string
  versions: VersionRange
  /** Left out when no version is flexible. */
  flexible?: VersionRange
  latestVersionUnstable?: boolean
  request: Request
  response: Response
}): Api<Request, Response> {
  const { key, name, request, response, latestVersionUnstable = false } = spec
  const requestMessage = defineMessage({ ...spec, name: `${name}Request`, fields: request })
  const responseMessage = defineMessage({ ...spec, name: `${name}Response`, fields: response })
  const { minVersion, maxVersion, flexibleFrom } = requestMessage
  const messages = { request: requestMessage, response: responseMessage }
  return { key, name, minVersion, maxVersion, flexibleFrom, latestVersionUnstable, request, response, messages }
}

/** Both ends inclusive; an open range ends at Infinity. */
export function parseVersions(range: VersionRange): readonly [from: number, to: number] {
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(range)
  assert(match, `"${range}" is not a range of versions`)
  const from = Number(match[1])
  if (match[2]) return [from, Number.POSITIVE_INFINITY]
  return [from, match[3] === undefined ? from : Number(match[3])]
}
