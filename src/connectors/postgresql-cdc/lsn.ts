/** Positions in PostgreSQL's WAL (pg_lsn): 64 bits, written as two hexadecimal numbers. */

const text = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i

/** Throws SyntaxError. */
export function parseLsn(lsn: string): bigint {
  const match = text.exec(lsn)
  if (match === null) throw new SyntaxError(`"${lsn}" is no position in the WAL`)
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}

export function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`
}
