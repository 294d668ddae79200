/**
 * The tight loop over the records of an uncompressed payload: checks the structure, and determines timestamps and missing keys. No objects,
 * no copies: this is the broker's cost per record. Shapes that Kafka accepts although no correct producer writes them are noted, not rejected.
 */
import { addInt64, type Int64 } from '../../base.ts'
import { invalid } from './invalid.ts'
import { skipHeaders } from './read.ts'
import { Cursor } from './varint.ts'

export interface Walk {
  /** Timestamps; `earliest` leaves out records without one (-1), unless all are without. */
  earliest: Int64
  latest: Int64
  keyless: boolean
  /** Offset deltas do not count up from 0. */
  misordered: boolean
  /** A size below -1 stands for null, as in Kafka, or a number has too many bits. */
  oddNumbers: boolean
}

/** Filled again by every walk: the caller reads it at once. */
const walked: Walk = { earliest: 0, latest: 0, keyless: false, misordered: false, oddNumbers: false }

/**
 * Checks that exactly `count` sound records fill `[start, end)`. The numbers of one byte are read here, longer ones by `Cursor`: this
 * loop is the broker's cost per record. Reading past `end` is harmless: it yields some byte or undefined, and the record's own end does
 * not fit then.
 */
export function walkRecords(b: Buffer, start: number, end: number, count: number, baseTimestamp: Int64): Walk {
  const cursor = new Cursor(b, start, end)
  // The delta that means -1.
  const noTimestamp = typeof baseTimestamp === 'number' ? -1 - baseTimestamp : Number.NaN
  let isWide = typeof baseTimestamp !== 'number'
  let p = start
  let earliest = Number.MAX_VALUE
  let latest = -Number.MAX_VALUE
  let keyless = false
  let misordered = false
  let oddNumbers = false
  for (let i = 0; i < count; i++) {
    let byte = b[p]!
    let number: number
    if (byte < 0x80) {
      number = (byte >>> 1) ^ -(byte & 1)
      p++
    } else {
      number = longVarint(cursor, p)
      p = cursor.position
    }
    const recordEnd = p + number
    if (number < 0 || recordEnd > end) throw invalid(`Invalid record size: ${number} bytes declared, ${end - p} left`)
    byte = b[++p]!
    if (byte < 0x80) {
      number = (byte >>> 1) ^ -(byte & 1)
      p++
    } else {
      cursor.position = p
      const delta = cursor.varlong()
      if (typeof delta === 'number') number = delta
      else isWide = true
      p = cursor.position
    }
    if (number > latest) latest = number
    if (number < earliest && number !== noTimestamp) earliest = number
    byte = b[p]!
    if (byte < 0x80) {
      number = (byte >>> 1) ^ -(byte & 1)
      p++
    } else {
      number = longVarint(cursor, p)
      p = cursor.position
    }
    if (number !== i) misordered = true
    byte = b[p]!
    if (byte < 0x80) {
      number = (byte >>> 1) ^ -(byte & 1)
      p++
    } else {
      number = longVarint(cursor, p)
      p = cursor.position
    }
    if (number < 0) {
      if (number < -1) oddNumbers = true
      keyless = true
    } else p += number
    byte = b[p]!
    if (byte < 0x80) {
      number = (byte >>> 1) ^ -(byte & 1)
      p++
    } else {
      number = longVarint(cursor, p)
      p = cursor.position
    }
    if (number < -1) oddNumbers = true
    if (number > 0) p += number
    if (b[p] === 0) p++
    else {
      cursor.position = p
      if (skipHeaders(cursor, cursor.varint())) oddNumbers = true
      p = cursor.position
    }
    if (p !== recordEnd) throw invalid(`Invalid record size: it ends ${p - recordEnd} bytes after its declared end`)
  }
  if (p !== end) throw invalid('Incorrect declared batch size, records still remaining in file')
  walked.keyless = keyless
  walked.misordered = misordered
  walked.oddNumbers = oddNumbers || cursor.excess
  if (isWide) walkTimes(new Cursor(b, start, end), count, baseTimestamp)
  else {
    walked.earliest = earliest === Number.MAX_VALUE ? -1 : addInt64(baseTimestamp, earliest)
    walked.latest = latest === -Number.MAX_VALUE ? -1 : addInt64(baseTimestamp, latest)
  }
  return walked
}

/** The times of records that are sound, exact whatever they are: beyond 53 bits the largest delta need not be that of the latest record. */
function walkTimes(cursor: Cursor, count: number, baseTimestamp: Int64): void {
  walked.earliest = walked.latest = -1
  for (let i = 0; i < count; i++) {
    const size = cursor.varint()
    const start = cursor.skip(size)
    cursor.position = start + 1
    const timestamp = addInt64(baseTimestamp, cursor.varlong())
    cursor.position = start + size
    if (i === 0 || timestamp > walked.latest) walked.latest = timestamp
    if (timestamp !== -1 && (walked.earliest === -1 || timestamp < walked.earliest)) walked.earliest = timestamp
  }
}

function longVarint(cursor: Cursor, position: number): number {
  cursor.position = position
  return cursor.varint()
}
