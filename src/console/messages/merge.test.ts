import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReceivedRecord } from '../../client.ts'
import { Merge, type Read } from './merge.ts'

const mebibyte = 2 ** 20
const large = Buffer.alloc(8 * mebibyte)

/** Records of two partitions, in pieces as fetches bring them, and how many bytes were fetched. */
function topicOf(count: number, bytesOf: (n: number) => Buffer) {
  const all = Array.from(
    { length: count },
    (_, n): ReceivedRecord => ({
      ...{ topic: 't', partition: n % 2, offset: BigInt(Math.floor(n / 2)), timestampMs: BigInt(n) },
      ...{ key: null, value: bytesOf(n), headers: [] },
    }),
  )
  const fetched = { bytes: 0 }
  const read: Read = async function* (from, until) {
    const wanted = all.filter(({ partition, offset }) => offset >= (from.get(partition) ?? offset + 1n) && offset < until!.get(partition)!)
    while (wanted.length > 0) {
      const { partition } = wanted[0]!
      let bytes = 0
      const piece: ReceivedRecord[] = []
      for (const each of wanted) {
        if (each.partition !== partition || bytes >= mebibyte) continue
        piece.push(each)
        bytes += each.value!.length
      }
      fetched.bytes += bytes
      for (const each of piece) wanted.splice(wanted.indexOf(each), 1)
      yield piece
    }
  }
  return { read, fetched, half: BigInt(Math.ceil(count / 2)) }
}

/** The first rows, and how much had been fetched when each was there. */
async function firstRows(count: number, bytesOf: (n: number) => Buffer, newestFirst: boolean, wanted: number) {
  const { read, fetched, half } = topicOf(count, bytesOf)
  const ranges = new Map([0, 1].map(partition => [partition, { low: 0n, high: half }]))
  const take = ({ timestampMs }: ReceivedRecord) => Number(timestampMs)
  const merge = new Merge<number>({ read, ranges, newestFirst, wanted, take, signal: new AbortController().signal })
  const rows: number[] = []
  let first = 0
  for await (const row of merge.run()) {
    if (row === null) continue
    if (rows.length === 0) first = fetched.bytes
    rows.push(row)
    if (rows.length === wanted) break
  }
  return { rows, first, all: fetched.bytes }
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

test('small and large records are merged in the order of time, from both ends', async () => {
  const sizes = [() => Buffer.alloc(10), () => large, (n: number) => (n % 7 === 0 ? large : Buffer.alloc(3))]
  for (const bytesOf of sizes)
    for (const newestFirst of [false, true]) {
      const { rows } = await firstRows(60, bytesOf, newestFirst, 60)
      assert.deepEqual(rows, newestFirst ? upTo(60).reverse() : upTo(60))
    }
})

test('the first of large records is there long before all of a page have been read', async () => {
  for (const newestFirst of [false, true]) {
    const { rows, first } = await firstRows(400, () => large, newestFirst, 5)
    assert.deepEqual(rows, newestFirst ? [399, 398, 397, 396, 395] : [0, 1, 2, 3, 4])
    assert.ok(first < 130 * mebibyte, `${first / mebibyte} MiB of ${400 * 8}`)
  }
})
