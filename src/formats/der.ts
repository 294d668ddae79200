/** Reads DER, the encoding of certificates and key stores, as far as needed here. Lengths are checked before they are used. */

export interface DerValue {
  readonly tag: number
  readonly content: Buffer
  /** With tag and length. */
  readonly whole: Buffer
}

export class BadDer extends Error {
  constructor(reason: string) {
    super(`not valid DER: ${reason}`)
    this.name = 'BadDer'
  }
}

export const derTags = {
  integer: 0x02,
  octets: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
  context0Primitive: 0x80,
} as const

export function readDer(bytes: Buffer, at = 0): DerValue {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) throw new BadDer('it ends within a value')
  let header = 2
  let length = first
  if (first >= 0x80) {
    const more = first & 0x7f
    if (more < 1 || more > 4 || at + 2 + more > bytes.length) throw new BadDer('a length is not valid')
    length = bytes.readUIntBE(at + 2, more)
    header += more
  }
  const end = at + header + length
  if (end > bytes.length) throw new BadDer('a value is longer than its container')
  return { tag, content: bytes.subarray(at + header, end), whole: bytes.subarray(at, end) }
}

/** The values within a sequence or a set. */
export function derChildren({ content }: DerValue): DerValue[] {
  const children: DerValue[] = []
  for (let at = 0; at < content.length; ) {
    const child = readDer(content, at)
    children.push(child)
    at += child.whole.length
  }
  return children
}

/** The child at `index`, which must have the tag when one is given. */
export function derChild(parent: DerValue, index: number, tag?: number): DerValue {
  const child = derChildren(parent)[index]
  if (child === undefined || (tag !== undefined && child.tag !== tag)) throw new BadDer('a value is missing or of another kind')
  return child
}

/** `1.2.840.113549.1.7.1` */
export function derOid({ tag, content }: DerValue): string {
  if (tag !== derTags.oid || content.length === 0) throw new BadDer('an object identifier is missing')
  const arcs: number[] = []
  let arc = 0
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    arcs.push(arc)
    arc = 0
  }
  const first = Math.min(Math.floor(arcs[0]! / 40), 2)
  return [first, arcs[0]! - first * 40, ...arcs.slice(1)].join('.')
}

export function derInteger({ tag, content }: DerValue): number {
  if (tag !== derTags.integer || content.length === 0 || content.length > 6) throw new BadDer('a number is missing or too large')
  return content.readUIntBE(0, content.length)
}
