/** IP addresses and networks, as event-ruler compares them: as hexadecimal digits, of which a network is a range. */
import { ExprError } from '../errors.ts'

const version4 = /^\d+\.\d+\.\d+\.\d+$/
const version6 = /^(?=[^:]*:)[\da-fA-F:]+$/
/** Longer texts are no addresses. */
const longestAddress = 200

export interface AddressRange {
  /** Of the same length. */
  readonly bottom: string
  readonly top: string
}

/** 8 or 32 digits; null: it is no address. */
export function addressDigits(text: string): string | null {
  if (text.length > longestAddress) return null
  const bytes = version4.test(text) ? bytes4(text) : version6.test(text) ? bytes6(text) : null
  return bytes === null ? null : Buffer.from(bytes).toString('hex').toUpperCase()
}

/** Throws ExprError with event-ruler's words. */
export function networkRange(cidr: string): AddressRange {
  const parts = cidr.replace(/\/+$/, '').split('/')
  if (parts.length !== 2) throw new ExprError("Malformed CIDR, one '/' required")
  const [address, mask] = parts as [string, string]
  const bits = /^[+-]?\d{1,20}$/.test(mask) ? Number(mask) : Number.NaN
  if (!(Math.abs(bits) <= 2 ** 31 - 1)) throw new ExprError('Malformed CIDR, mask bits must be an integer')
  if (bits < 0) throw new ExprError('Malformed CIDR, mask bits must not be negative')
  const digits = addressDigits(address)
  if (digits === null) {
    const isLikely = version4.test(address) || version6.test(address)
    throw new ExprError(`${isLikely ? 'Invalid' : 'Nonstandard'} IP address: ${address}`)
  }
  const width = digits.length * 4
  if (bits >= width) throw new ExprError(width === 32 ? 'IPv4 mask bits must be < 32' : 'IPv6 mask bits must be < 128')
  const value = BigInt(`0x${digits}`)
  const rest = (1n << BigInt(width - bits)) - 1n
  const text = (number: bigint) => number.toString(16).toUpperCase().padStart(digits.length, '0')
  return { bottom: text(value & ~rest), top: text(value | rest) }
}

/**
 * Digit by digit, and done with the first one that decides. So a text of another length than the range may be within it, as with event-ruler: an
 * address of the other version, or a number.
 */
export function isWithin(digits: string, { bottom, top }: AddressRange): boolean {
  let isAtBottom = true
  let isAtTop = true
  const length = Math.min(digits.length, bottom.length)
  for (let at = 0; at < length; at++) {
    const digit = digits[at]!
    if (!/[\dA-F]/.test(digit)) return false
    if (isAtBottom && digit < bottom[at]!) return false
    if (isAtTop && digit > top[at]!) return false
    isAtBottom &&= digit === bottom[at]
    isAtTop &&= digit === top[at]
    if (!isAtBottom && !isAtTop) return true
  }
  return digits.length >= bottom.length
}

function bytes4(text: string): number[] | null {
  const bytes = text.split('.').map(Number)
  return bytes.every(each => each <= 255) ? bytes : null
}

function bytes6(text: string): number[] | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [before, after] = halves.map(half =>
    (half === '' ? [] : half.split(':')).map(group => (group === '' ? -1 : Number.parseInt(group, 16))),
  )
  const missing = 8 - before!.length - (after?.length ?? 0)
  if (after === undefined ? missing !== 0 : missing < 1) return null
  const groups = after === undefined ? before! : [...before!, ...new Array<number>(missing).fill(0), ...after]
  if (groups.some(group => group < 0 || group > 0xffff)) return null
  const bytes = groups.flatMap(group => [group >> 8, group & 0xff])
  // As in Java, a mapped address is one of version 4.
  const isMapped = groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff
  return isMapped ? bytes.slice(12) : bytes
}
