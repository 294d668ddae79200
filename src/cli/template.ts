/** The templates of `consume --format`, which are those of kcat's -f. */
import { UsageError } from './output.ts'

const letters = ['s', 'S', 'R', 'k', 'K', 't', 'p', 'o', 'T', 'h'] as const
type Letter = (typeof letters)[number]

/** Text as it is, or what to print of the record. */
export type Piece = Buffer | Letter

export const templateHelp =
  '%s value, %S its length, %R its length as 4 bytes, %k key, %K its length, %t topic, %p partition, %o offset, %T timestamp, %h headers, %%; \\n \\t \\r \\0 \\\\ \\xNN'

const special: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' }

export function parseTemplate(text: string): Piece[] {
  const pieces: Piece[] = []
  const token = /%(.?)|\\x([\da-fA-F]{2})|\\(.?)|[^%\\]+/gsu
  for (const [whole, letter, hex, escaped] of text.matchAll(token)) {
    if (hex !== undefined) pieces.push(Buffer.from(hex, 'hex'))
    else if (escaped !== undefined) pieces.push(Buffer.from(special[escaped] ?? refuse(whole)))
    else if (letter === undefined) pieces.push(Buffer.from(whole))
    else if (letter === '%') pieces.push(Buffer.from('%'))
    else pieces.push(letters.find(each => each === letter) ?? refuse(whole))
  }
  return pieces
}

function refuse(what: string): never {
  throw new UsageError(`--format: "${what}" is not known; known are ${templateHelp}`)
}
