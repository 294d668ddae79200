/**
 * An exact 64-bit integer: a number if that is exact, otherwise a bigint.
 *
 * Each value has exactly one representation, so `===`, `<` and Map keys work without checking the type, and nearly every value is a plain
 * number. Arithmetic on an {@link Int64} does not compile: code must narrow it first, or call one of the functions below, which define
 * what happens beyond 53 bits.
 */

/** Within 53 bits always a number, beyond always a bigint. */
export type Int64 = number | bigint

/** Java's Long.MAX_VALUE and Long.MIN_VALUE. */
export const maxInt64 = 2n ** 63n - 1n
export const minInt64 = -(2n ** 63n)

const two32 = 2 ** 32
const two63 = 2 ** 63

/** The one form of a value; of more than 64 bits the lowest, as Java's `long` has it. */
export function toInt64(value: bigint): Int64 {
  const wrapped = BigInt.asIntN(64, value)
  const number = Number(wrapped)
  return Number.isSafeInteger(number) ? number : wrapped
}

/** The whole part of a number that need not be exact: a configured 2^63, which stands for Long.MAX_VALUE, or a time from elsewhere. */
export function nearestInt64(value: number): Int64 {
  const whole = Math.trunc(value)
  if (Number.isSafeInteger(whole)) return whole
  return whole >= two63 ? maxInt64 : whole <= -two63 ? minInt64 : BigInt(whole)
}

/** Wraps around at 64 bits, as in Java. */
export function addInt64(a: Int64, b: Int64): Int64 {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return toInt64(BigInt(a) + BigInt(b))
}

/** Stops at the ends of 64 bits. */
export function saturatingAdd(a: Int64, b: Int64): Int64 {
  const sum = BigInt(a) + BigInt(b)
  return toInt64(sum > maxInt64 ? maxInt64 : sum < minInt64 ? minInt64 : sum)
}

/**
 * Milliseconds from one time to another, to be compared with a span: beyond 53 bits the nearest number, and never more than the longest
 * span, Long.MAX_VALUE, which means no limit.
 */
export function millisSince(then: Int64, now: Int64): number {
  if (typeof then === 'number' && typeof now === 'number') return now - then
  return Math.max(-two63, Math.min(Number(BigInt(now) - BigInt(then)), two63))
}

/** Wraps around at 64 bits, as in Java. */
export function subtractInt64(a: Int64, b: Int64): Int64 {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b
    if (Number.isSafeInteger(difference)) return difference
  }
  return toInt64(BigInt(a) - BigInt(b))
}

/** The bytes are there, as the caller knows. */
export function readInt64(bytes: Buffer, at: number): Int64 {
  const value = bytes.readInt32BE(at) * two32 + bytes.readUInt32BE(at + 4)
  return Number.isSafeInteger(value) ? value : bytes.readBigInt64BE(at)
}

export function writeInt64(bytes: Buffer, at: number, value: Int64): void {
  if (typeof value === 'bigint') {
    bytes.writeBigInt64BE(value, at)
    return
  }
  const low = value >>> 0
  bytes.writeInt32BE((value - low) / two32, at)
  bytes.writeUInt32BE(low, at + 4)
}
