/** Numbers in the binary forms that several formats share. */
import type { Decimal } from '../../connector.ts'

/** Big-endian two's complement in as few bytes as it takes: at least one. */
export function twosComplement(value: bigint): Buffer {
  let bits = 8n
  while (value < -(1n << (bits - 1n)) || value >= 1n << (bits - 1n)) bits += 8n
  const hex = BigInt.asUintN(Number(bits), value)
    .toString(16)
    .padStart(Number(bits) / 4, '0')
  return Buffer.from(hex, 'hex')
}

/** The unscaled value at another scale; null when digits would be lost. */
export function rescaled(value: Decimal, scale: number): bigint | null {
  if (value.scale === scale) return value.unscaled
  const step = 10n ** BigInt(Math.abs(scale - value.scale))
  if (scale > value.scale) return value.unscaled * step
  return value.unscaled % step === 0n ? value.unscaled / step : null
}

/** Of big-endian two's complement; no bytes are 0. */
export function signedInteger(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`))
}
