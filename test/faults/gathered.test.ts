/** The data of one read: one write for each partition and one reply; a failed write of one partition does not affect others. */
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { buildBatch, readBatches } from '../../sim/world/batches.ts'
import { DiskError, type FileSystem, memoryFileSystem } from '../../src/base.ts'
import { apis, decodeResponse, decodeResponseHeader } from '../../src/protocol.ts'
import { connect, createTopic, fetchRecords, requestBytes } from '../support/client.ts'
import { startWithMadeSockets } from '../support/made-sockets.ts'
import { withHandles } from '../support/with-handles.ts'

const recordBytes = 20_000
const version = 9

/** A disk that counts writes to segments, and refuses those whose path holds `refused`. */
function countingDisk(): { files: FileSystem; state: { writes: number; refused: string | null } } {
  const disk = memoryFileSystem()
  const state = { writes: 0, refused: null as string | null }
  const files = withHandles(disk, (handle, path) => {
    if (!path.endsWith('.log') || path.includes('/journal/')) return null
    return {
      writeSync(buffers, position) {
        if (state.refused !== null && path.includes(state.refused)) throw new DiskError('write', path, 'EIO')
        state.writes++
        handle.writeSync(buffers, position)
      },
    }
  })
  return { files, state }
}

/** The broker's end of a connection: what is pushed arrives in one read, and each write is noted. */
class OneRead extends Duplex {
  readonly remoteAddress = '127.0.0.9'
  readonly writes: Buffer[] = []
  arrived: () => void = () => {}

  override _read(): void {}

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#note(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _write(chunk: Buffer, _: unknown, done: () => void): void {
    this.#note(chunk, done)
  }

  #note(bytes: Buffer, done: () => void): void {
    this.writes.push(bytes)
    done()
    this.arrived()
  }
}

/** Error codes and base offsets by partition, in the order of the requests. */
function answers(bytes: Buffer): [number, number, number][] {
  const found: [number, number, number][] = []
  for (let at = 0; at < bytes.length; ) {
    const frame = bytes.subarray(at + 4, at + 4 + bytes.readInt32BE(at))
    const response = decodeResponse(apis.produce, version, frame, decodeResponseHeader(frame, apis.produce, version).end)
    const { index, errorCode, baseOffset } = response.responses[0]!.partitionResponses[0]!
    found.push([index, errorCode, Number(baseOffset)])
    at += 4 + frame.length
  }
  return found
}

test('eight requests of one read: one write for each partition, one reply; what is refused is refused alone', async () => {
  const { files, state } = countingDisk()
  const { broker, port, accept } = await startWithMadeSockets(files, { durability: 'os' })
  const client = await connect(port)
  await createTopic(client, 'bulk', 2)
  const socket = new OneRead()
  accept(socket)
  let count = 0
  /** Eight requests at once, to the two partitions in turn. */
  const send = async (): Promise<[number, number, number][]> => {
    const frames = Array.from({ length: 8 }, (_, nth) => {
      const records = buildBatch({ values: [String(count++).padEnd(recordBytes, '.')], timestampMs: Date.now() })
      const topicData = [{ name: 'bulk', partitionData: [{ index: nth % 2, records }] }]
      return requestBytes(apis.produce, version, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData })
    })
    socket.writes.length = 0
    state.writes = 0
    const arrived = new Promise<void>(resolve => {
      socket.arrived = resolve
    })
    socket.push(Buffer.concat(frames))
    await arrived
    return answers(socket.writes[0]!)
  }
  const offsets = (first: number, code = 0) =>
    [0, 1, 2, 3].flatMap(nth => [
      [0, 0, first + nth],
      [1, code, code === 0 ? first + nth : -1],
    ])
  assert.deepEqual(await send(), offsets(0))
  assert.deepEqual([state.writes, socket.writes.length], [2, 1])
  state.refused = '/bulk-1/'
  assert.deepEqual(await send(), offsets(4, 56))
  state.refused = null
  const again = await send()
  assert.deepEqual(
    again.map(([, , offset]) => offset),
    [8, 4, 9, 5, 10, 6, 11, 7],
  )
  const values: string[] = []
  for (let offset = 0; offset < 8; offset++) {
    const { records } = await fetchRecords(client, 'bulk', offset, { partition: 1, maxBytes: 1 })
    values.push(readBatches(records)[0]!.records[0]!.value.replaceAll('.', ''))
  }
  assert.deepEqual(values, ['1', '3', '5', '7', '17', '19', '21', '23'])
  socket.destroy()
  client.close()
  await broker.close()
})
