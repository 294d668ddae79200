/** Sends the records of one request together. */
import { type Client, ClientError, type RecordToSend, type Sent } from '../../client.ts'
import { HttpError } from '../../http.ts'

/** What became of each: stored, refused by Kafka, or not even sent. */
export type Outcome = Sent | HttpError

/** In the order of `read`, of which some could not be read. Does not reject because of Kafka: what fails for all of them fails for each. */
export async function sendAll(
  client: Client,
  topic: string,
  read: readonly ({ readonly record: RecordToSend } | HttpError)[],
): Promise<Outcome[]> {
  const records = read.flatMap(each => (each instanceof HttpError ? [] : [each.record]))
  let sent: Sent[]
  try {
    sent = records.length === 0 ? [] : await client.sendEach(topic, records)
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    sent = records.map(() => error)
  }
  let next = 0
  return read.map(each => (each instanceof HttpError ? each : sent[next++]!))
}
