/**
 * Encodes and decodes messages. Hides the compiler: on first use of a message in a version, its definition becomes the source
 * of one straight-line function (`codec-decoder.ts`, `codec-encoder.ts`), which is used from then on.
 *
 * Byte fields of decoded messages are views of the input. Bytes after the end of a message are ignored, as in Kafka.
 *
 * A message with very many elements would block other clients for too long. So requests and responses can also be decoded and encoded
 * in steps, by generators that yield after every few hundred elements or a few long texts. They are slower, and meant for messages too large
 * to process at once.
 */
import { allow, assert, ByteReader, ByteWriter, beginPauses, type Chunks, MalformedInput, TooManyElements, unlimited } from '../base.ts'
import { decoderSource } from './codec-decoder.ts'
import { encoderSource } from './codec-encoder.ts'
import { planMessage } from './codec-plan.ts'
import type { Api, Fields, InputOf, Message, MessageOf } from './define.ts'
import { KafkaError } from './errors.ts'
import { zeroUuid } from './uuid.ts'

type Decode = (reader: ByteReader) => object
type Encode = (writer: ByteWriter, message: object) => void
type Steps<T> = Generator<void, T>

interface Codec {
  decode: Decode | null
  encode: Encode | null
  decodeInSteps: ((reader: ByteReader) => Steps<object> | object) | null
  encodeInSteps: ((writer: ByteWriter, message: object) => Steps<void> | undefined) | null
}

const codecs = new WeakMap<Message, Codec[]>()
/** Of a request. Names are shorter; one value or another is not. */
const mostLongTexts = 64
const emptyBuffer = Buffer.alloc(0)

function codecOf(message: Message, version: number): Codec {
  let ofMessage = codecs.get(message)
  if (ofMessage === undefined) codecs.set(message, (ofMessage = []))
  const index = version - message.minVersion
  const known = ofMessage[index]
  if (known !== undefined) return known
  const exists = Number.isInteger(version) && version >= message.minVersion && version <= message.maxVersion
  assert(exists, `${message.name} has no version ${version}`)
  return (ofMessage[index] = { decode: null, encode: null, decodeInSteps: null, encodeInSteps: null })
}

function compileDecoder<D>(message: Message, version: number, paused: boolean): D {
  const source = decoderSource(planMessage(message, version), paused)
  return new Function('MalformedInput', 'emptyBuffer', 'zeroUuid', source)(MalformedInput, emptyBuffer, zeroUuid)
}

function compileEncoder<E>(message: Message, version: number, paused: boolean): E {
  const notInVersion = (field: string) => new KafkaError('UNSUPPORTED_VERSION', `version ${version} has no ${field}, but it is set`)
  const source = encoderSource(planMessage(message, version), paused)
  const make = new Function('ByteWriter', 'notInVersion', 'emptyBuffer', 'zeroUuid', source)
  return make(ByteWriter, notInVersion, emptyBuffer, zeroUuid)
}

/** For messages that are not APIs, and for tests. */
export function readMessage<F extends Fields>(message: Message<F>, version: number, reader: ByteReader): MessageOf<F> {
  const codec = codecOf(message, version)
  codec.decode ??= compileDecoder<Decode>(message, version, false)
  return codec.decode(reader) as MessageOf<F>
}

export function writeMessage<F extends Fields>(message: Message<F>, version: number, writer: ByteWriter, value: InputOf<F>): void {
  const codec = codecOf(message, version)
  codec.encode ??= compileEncoder<Encode>(message, version, false)
  try {
    codec.encode(writer, value)
  } catch (error) {
    throw unencodable(message, version, error)
  }
}

function unencodable(message: Message, version: number, error: unknown): unknown {
  if (error instanceof KafkaError || error instanceof TooManyElements) return error
  return new TypeError(`cannot encode ${message.name} version ${version}: ${(error as Error).message}`, { cause: error })
}

export function decodeMessage<F extends Fields>(message: Message<F>, version: number, bytes: Buffer, offset = 0): MessageOf<F> {
  return readMessage(message, version, new ByteReader(bytes, offset))
}

export function encodeMessage<F extends Fields>(message: Message<F>, version: number, value: InputOf<F>): Buffer {
  const writer = new ByteWriter(128)
  writeMessage(message, version, writer, value)
  return writer.toBuffer()
}

/**
 * The body of a request; `offset`: {@link RequestHeader.end}. Throws TooManyElements beyond `mostElements` in all its collections, or texts
 * that take as long.
 */
export function decodeRequest<A extends Api>(
  api: A,
  version: number,
  bytes: Buffer,
  offset = 0,
  mostElements = unlimited,
): MessageOf<A['request']> {
  const reader = new ByteReader(bytes, offset)
  allow(reader, mostElements)
  reader.longTextsLeft = mostLongTexts
  return readMessage(api.messages.request, version, reader) as MessageOf<A['request']>
}

/**
 * Decodes a large request, but keeps only the first `mostElements` elements of its collections. This bounds memory, and the request can still
 * be rejected with a response of its own type. With a million elements more, it is malformed.
 */
export function* decodeRequestInSteps<A extends Api>(
  api: A,
  version: number,
  bytes: Buffer,
  offset: number,
  mostElements: number,
): Steps<{ request: MessageOf<A['request']>; dropped: number }> {
  const message = api.messages.request
  const codec = codecOf(message, version)
  codec.decodeInSteps ??= compileDecoder<NonNullable<Codec['decodeInSteps']>>(message, version, true)
  const reader = new ByteReader(bytes, offset)
  reader.elementsLeft = mostElements
  beginPauses(reader)
  reader.longTextsLeft = mostLongTexts
  const decoding = codec.decodeInSteps(reader)
  // A message without collections is read at once.
  const request = Symbol.iterator in decoding ? yield* decoding : decoding
  return { request: request as MessageOf<A['request']>, dropped: reader.elementsDropped }
}

export function decodeResponse<A extends Api>(api: A, version: number, bytes: Buffer, offset = 0): MessageOf<A['response']> {
  return readMessage(api.messages.response, version, new ByteReader(bytes, offset)) as MessageOf<A['response']>
}

export interface RequestHeader {
  correlationId: number
  clientId: string | null
  /** Where the body begins. */
  end: number
}

/** Of a frame without its size. The key and version are its first four bytes; who calls this has looked at them to know the API. */
export function decodeRequestHeader(bytes: Buffer, api: Api, version: number): RequestHeader {
  const reader = new ByteReader(bytes, 4)
  const correlationId = reader.readInt32()
  // It only labels the client. Some have it in another encoding (Latin-1), which must not cost them the connection.
  const clientId = reader.readNullableString(true)
  if (version >= api.flexibleFrom) reader.skipTags()
  return { correlationId, clientId, end: reader.offset }
}

export function decodeResponseHeader(bytes: Buffer, api: Api, version: number): { correlationId: number; end: number } {
  const reader = new ByteReader(bytes)
  const correlationId = reader.readInt32()
  if (hasResponseTags(api, version)) reader.skipTags()
  return { correlationId, end: reader.offset }
}

/** A client that asks for a version the broker lacks must still be able to read the answer, so ApiVersions never has a new header. */
function hasResponseTags(api: Api, version: number): boolean {
  return version >= api.flexibleFrom && api.key !== apiVersionsKey
}

const apiVersionsKey = 18

/** A whole frame: size, header, body. */
export function encodeRequest<A extends Api>(
  api: A,
  version: number,
  header: { correlationId: number; clientId: string | null },
  message: InputOf<A['request']>,
): Chunks {
  const writer = new ByteWriter()
  writer.writeInt32(0)
  writer.writeInt16(api.key)
  writer.writeInt16(version)
  writer.writeInt32(header.correlationId)
  writer.writeNullableString(header.clientId)
  if (version >= api.flexibleFrom) writer.writeUvarint(0)
  writeMessage(api.messages.request, version, writer, message)
  return writer.finishFrame()
}

/** A whole frame: size, header, body. Throws TooManyElements as {@link decodeRequest} does. */
export function encodeResponse<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  message: InputOf<A['response']>,
  mostElements = unlimited,
): Chunks {
  const writer = beginResponse(api, version, correlationId)
  allow(writer, mostElements)
  writeMessage(api.messages.response, version, writer, message)
  return writer.finishFrame()
}

/** A large response; null when it comes to more than `mostBytes`. */
export function* encodeResponseInSteps<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  value: InputOf<A['response']>,
  mostBytes: number,
): Steps<Chunks | null> {
  const message = api.messages.response
  const codec = codecOf(message, version)
  codec.encodeInSteps ??= compileEncoder<NonNullable<Codec['encodeInSteps']>>(message, version, true)
  const writer = beginResponse(api, version, correlationId)
  beginPauses(writer)
  try {
    for (const _ of codec.encodeInSteps(writer, value) ?? []) {
      if (writer.length > mostBytes) return null
      yield
    }
  } catch (error) {
    throw unencodable(message, version, error)
  }
  return writer.length > mostBytes ? null : writer.finishFrame()
}

function beginResponse(api: Api, version: number, correlationId: number): ByteWriter {
  const writer = new ByteWriter()
  writer.writeInt32(0)
  writer.writeInt32(correlationId)
  if (hasResponseTags(api, version)) writer.writeUvarint(0)
  return writer
}
