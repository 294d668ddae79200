/** The principal of a client certificate: its subject as Java writes it (RFC 2253), shortened by `ssl.principal.mapping.rules` (KIP-371). */
import { type DerValue, derChild, derChildren, derOid, derTags, readDer } from '../../formats.ts'

/** What RFC 2253 and Java have a word for; of everything else Java shows number and bytes. */
const keywords: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
}

/** By tag: how the bytes of a string are read. */
const strings: Readonly<Record<number, BufferEncoding | 'ucs2be'>> = {
  12: 'utf8',
  19: 'latin1',
  20: 'latin1',
  22: 'latin1',
  27: 'latin1',
  30: 'ucs2be',
}

/** `CN=alice,OU=Payments,O=Example`, the most special first. */
export function subjectOf(certificate: Buffer): string {
  const toBeSigned = derChild(readDer(certificate), 0, derTags.sequence)
  // An explicit version comes first, but in certificates of version 1.
  const first = derChild(toBeSigned, 0).tag === derTags.context0 ? 1 : 0
  const subject = derChild(toBeSigned, first + 4, derTags.sequence)
  const parts = derChildren(subject).map(relative => derChildren(relative).map(attribute).join('+'))
  return parts.reverse().join(',')
}

function attribute(pair: DerValue): string {
  const oid = derOid(derChild(pair, 0))
  const value = derChild(pair, 1)
  const encoding = strings[value.tag]
  const keyword = keywords[oid]
  if (keyword === undefined || encoding === undefined) return `${keyword ?? oid}=#${value.whole.toString('hex')}`
  const text = encoding === 'ucs2be' ? Buffer.from(value.content).swap16().toString('utf16le') : value.content.toString(encoding)
  return `${keyword}=${escaped(text)}`
}

function escaped(text: string): string {
  return text.replace(/[,=+<>#;"\\]/g, '\\$&').replace(/^ +| +$/g, spaces => '\\ '.repeat(spaces.length))
}

export type PrincipalMapping = (distinguishedName: string) => string

const ruleSyntax = /\s*(?:(DEFAULT)|RULE:((?:\\.|[^\\/])*)\/((?:\\.|[^\\/])*)\/([LU]?))\s*(?:,|$)/y

/** Throws Error with the rule that is none. The mapping throws when no rule applies. */
export function principalMapping(rules: string): PrincipalMapping {
  const mappings = parseRules(rules)
  return name => {
    for (const mapping of mappings) {
      const mapped = mapping(name)
      if (mapped !== null) return mapped
    }
    throw new Error(`No rules apply to ${name}`)
  }
}

function parseRules(text: string): ((name: string) => string | null)[] {
  const mappings: ((name: string) => string | null)[] = []
  const rules = text.trim()
  for (let at = 0; at < rules.length; at = ruleSyntax.lastIndex) {
    ruleSyntax.lastIndex = at
    const match = ruleSyntax.exec(rules)
    if (match === null) throw new Error(`Invalid rule: ${rules.slice(at)}`)
    const [, isDefault, pattern, replacement, letters] = match
    if (isDefault !== undefined) mappings.push(name => name)
    else mappings.push(rule(new RegExp(`^(?:${pattern})$`), replacement!, letters!))
  }
  return mappings
}

function rule(pattern: RegExp, replacement: string, letters: string): (name: string) => string | null {
  return name => {
    const match = pattern.exec(name)
    if (match === null) return null
    const mapped = replacement.replace(/\\(.)|\$(\d+)/g, (whole, char: string | undefined, group: string | undefined) =>
      char !== undefined ? char : (match[Number(group)] ?? (Number(group) < match.length ? '' : whole)),
    )
    return letters === 'L' ? mapped.toLowerCase() : letters === 'U' ? mapped.toUpperCase() : mapped
  }
}

export function checkMappingRules(text: string): string | null {
  try {
    parseRules(text)
    return null
  } catch (error) {
    return (error as Error).message
  }
}
