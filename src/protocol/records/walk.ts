/**
 * The one tight loop over the records of a plain payload: is the structure sound, which times, are there keys. No objects, no copies.
 * It is the broker's cost per record.
 */
import { invalid } from './invalid.ts'
import { skipHeaders } from './read.ts'
import { Cursor } from './varint.ts'

export interface Walk {
  /** Timestamp deltas; `earliest` leaves out records without a timestamp, unless all are without. */
  earliest: number
  latest: number
  keyless: boolean
}

/** Filled again by every walk: the caller reads it at once. */
const walked: Walk = { earliest: 0, latest: 0, keyless: false }

/**
 * Checks that exactly `count` sound records fill `[start, end)`. The numbers of one byte are read here, longer ones by `Cursor`: this
 * loop is the broker's cost per record. Reading past `end` is harmless: it yields some byte or undefined, and the record's own end does
 * not fit then. `noTimestamp` is the delta that means -1.
 */
export function walkRecords(b: Buffer, start: number, end: number, count: number, noTimestamp: number): Walk {
  const cursor = new Cursor(b, start, end)
  let p = start
  let earliest = Number.MAX_VALUE
  let latest = -Number.MAX_VALUE
  let keyless = false
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
      number = longVarlong(cursor, p)
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
    if (number !== i) throw invalid(`Record ${i} of the batch has offset delta ${number}`)
    byte = b[p]!
    if (byte < 0x80) {
      number = (byte >>> 1) ^ -(byte & 1)
      p++
    } else {
      number = longVarint(cursor, p)
      p = cursor.position
    }
    if (number < 0) {
      if (number < -1) throw invalid(`Invalid key size ${number}`)
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
    if (number < -1) throw invalid(`Invalid value size ${number}`)
    if (number > 0) p += number
    if (b[p] === 0) p++
    else {
      cursor.position = p
      skipHeaders(cursor, cursor.varint())
      p = cursor.position
    }
    if (p !== recordEnd) throw invalid(`Invalid record size: it ends ${p - recordEnd} bytes after its declared end`)
  }
  if (p !== end) throw invalid('Incorrect declared batch size, records still remaining in file')
  walked.earliest = earliest === Number.MAX_VALUE ? noTimestamp : earliest
  walked.latest = latest
  walked.keyless = keyless
  return walked
}

function longVarint(cursor: Cursor, position: number): number {
  cursor.position = position
  return cursor.varint()
}

function longVarlong(cursor: Cursor, position: number): number {
  cursor.position = position
  return cursor.varlong()
}
