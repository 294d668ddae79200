/** Sends a request of any API over a connection of the library, encoded and decoded with our own codecs. */
import type { Connection } from '@platformatic/kafka'
import { Writer } from '../library.ts'
import { type Api, apis, decodeResponse, encodeMessage, type InputOf, KafkaError, type MessageOf } from '../protocol.ts'
import { ClientError } from './errors.ts'

/** A connection of the library, whose types must not be part of the package's. */
interface OpenConnection {
  send(...given: never[]): unknown
}

/** Rejects with errors of the library, which `toClientError` understands. `isAnswered` false: resolves, with nothing, when it is written. */
export function sendOver<A extends Api>(
  connection: OpenConnection,
  api: A,
  version: number,
  request: InputOf<A['request']>,
  isAnswered = true,
): Promise<MessageOf<A['response']>> {
  const flexible = version >= api.flexibleFrom
  const body = encode(api, version, request)
  return new Promise((resolve, reject) => {
    const library = connection as Connection
    library.send<MessageOf<A['response']>>(
      api.key,
      version,
      () => {
        const writer = Writer.create().append(body)
        if (!isAnswered) (writer as unknown as { context: { noResponse?: boolean } }).context.noResponse = true
        return writer
      },
      // ApiVersions alone never has the newer header.
      (_correlationId, _key, _version, reader) => decodeResponse(api, version, reader.buffer.slice()),
      flexible,
      flexible && api.key !== apis.apiVersions.key,
      (error, response) => (error ? reject(error) : resolve(response!)),
    )
  })
}

function encode<A extends Api>(api: A, version: number, request: InputOf<A['request']>): Buffer {
  try {
    return encodeMessage(api.messages.request, version, request as never)
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    throw new ClientError(error.name, `the cluster is too old for this request (${api.name} version ${version})`, error)
  }
}
