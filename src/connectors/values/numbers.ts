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
