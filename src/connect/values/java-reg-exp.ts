/**
 * Java's regular expressions, as far as they can be matched in time proportional to the text: connectors are configured by people whose patterns must not
 * stop a worker. Possessive quantifiers, atomic groups, back references, lookahead, Unicode properties and intersections of classes are refused.
 */
import { linearRegExp } from '../../base.ts'

const classes: Readonly<Record<string, string>> = {
  Lower: 'a-z',
  Upper: 'A-Z',
  ASCII: '\\x00-\\x7f',
  Alpha: 'A-Za-z',
  Digit: '0-9',
  Alnum: 'A-Za-z0-9',
  Punct: '!-/:-@\\[-`{-~',
  Graph: '!-~',
  Print: ' -~',
  Blank: ' \\t',
  Cntrl: '\\x00-\\x1f\\x7f',
  XDigit: '0-9a-fA-F',
  Space: ' \\t\\n\\x0b\\f\\r',
}

export interface JavaPattern {
  /** Of the whole text, with its groups; null: it does not match. */
  match(text: string): RegExpExecArray | null
  /** Without the whole match. */
  readonly groups: number
  readonly groupNames: readonly string[]
}

/** Throws SyntaxError. */
export function javaPattern(pattern: string): JavaPattern {
  const source = translated(pattern)
  const regExp = linearRegExp(`^(?:${source})$`)
  const probe = linearRegExp(`(?:${source})|`).exec('')!
  return { match: text => regExp.exec(text), groups: probe.length - 1, groupNames: Object.keys(probe.groups ?? {}) }
}

function translated(pattern: string): string {
  const flags = /^\(\?([a-zA-Z]+)\)/.exec(pattern)
  if (flags !== null && /[^iu]/.test(flags[1]!)) throw new SyntaxError(`the flags ${flags[0]} are not supported, only (?i)`)
  const body = flags === null ? pattern : pattern.slice(flags[0].length)
  const ignoresCase = flags?.[1]?.includes('i') === true
  let source = ''
  /** Where the members of a class begin; -1: outside of one. */
  let members = -1
  for (let at = 0; at < body.length; ) {
    const inClass = members >= 0
    // A bracket at the beginning of a class is meant as itself.
    const isFirst = inClass && (at === members || (at === members + 1 && body[members] === '^'))
    const [text, length] =
      body[at] === '\\'
        ? escaped(body, at, inClass, ignoresCase)
        : isFirst && body[at] === ']'
          ? (['\\]', 1] as const)
          : plain(body, at, inClass, ignoresCase)
    if (body[at] === '[' && !inClass) members = at + 1
    else if (body[at] === ']' && !isFirst) members = -1
    source += text
    at += length
  }
  return source
}

function plain(body: string, at: number, inClass: boolean, ignoresCase: boolean): [text: string, length: number] {
  const rest = body.slice(at, at + 4)
  if (inClass && rest.startsWith('&&')) throw new SyntaxError(`Intersections of classes (&&) are not supported: ${body}`)
  if (inClass && rest.startsWith('[')) throw new SyntaxError(`Classes within classes are not supported: ${body}`)
  if (!inClass && /^[*+?}]\+/.test(rest)) throw new SyntaxError(`Possessive quantifiers are not supported: ${body}`)
  if (!inClass && rest.startsWith('(?>')) throw new SyntaxError(`Atomic groups are not supported: ${body}`)
  if (!inClass && /^\(\?[a-z]/.test(rest)) throw new SyntaxError(`Flags within an expression are not supported: ${body}`)
  const named = /^\(\?<\w+>/.exec(body.slice(at, at + 100))
  if (!inClass && named !== null) return [named[0], named[0].length]
  if (!ignoresCase || !letter.test(body[at]!)) return [body[at]!, 1]
  // The engine that takes linear time always minds the case.
  if (!inClass) return [`[${both(body[at]!)}]`, 1]
  const range = /^([a-z])-([a-z])|^([A-Z])-([A-Z])/.exec(body.slice(at, at + 3))?.[0]
  return range === undefined ? [both(body[at]!), 1] : [range.toLowerCase() + range.toUpperCase(), 3]
}

const letter = /[A-Za-z]/

function both(char: string): string {
  return char.toLowerCase() + char.toUpperCase()
}

function escaped(body: string, at: number, inClass: boolean, ignoresCase: boolean): [text: string, length: number] {
  const next = body[at + 1]
  if (next === undefined) throw new SyntaxError(`Unexpected internal error near index ${at}: ${body}`)
  if (next === 'Q') {
    const end = body.indexOf('\\E', at + 2)
    const literal = body.slice(at + 2, end < 0 ? undefined : end)
    const quoted = literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
    return [ignoresCase && !inClass ? quoted.replace(/[A-Za-z]/g, char => `[${both(char)}]`) : quoted, literal.length + (end < 0 ? 2 : 4)]
  }
  if (next === 'A') return ['^', 2]
  if (next === 'z' || next === 'Z') return ['$', 2]
  if (next === 'h') return [inClass ? ' \\t' : '[ \\t]', 2]
  if (next === 'e' || next === 'a') return [next === 'e' ? '\\x1b' : '\\x07', 2]
  const named = /^\\([pP])\{(?:Is)?(\w+)\}/.exec(body.slice(at, at + 40))
  const members = named === null || !Object.hasOwn(classes, named[2]!) ? undefined : classes[named[2]!]
  if (members === undefined || (named![1] === 'P' && inClass)) return [body.slice(at, at + 2), 2]
  if (inClass) return [members, named![0].length]
  return [`[${named![1] === 'P' ? '^' : ''}${members}]`, named![0].length]
}

/** The replacement of Matcher.replaceFirst: `$1`, `${name}`, `\$`. Throws SyntaxError. */
export function javaReplacement(text: string, { groups, groupNames }: JavaPattern): (found: RegExpExecArray) => string {
  const pieces: (string | number | { name: string })[] = []
  for (let at = 0; at < text.length; ) {
    const char = text[at]!
    if (char === '\\') {
      if (at + 1 >= text.length) throw new SyntaxError('character to be escaped is missing')
      pieces.push(text[at + 1]!)
      at += 2
    } else if (char === '$') {
      const named = /^\$\{([A-Za-z][A-Za-z0-9]*)\}/.exec(text.slice(at))
      const numbered = /^\$(\d+)/.exec(text.slice(at))
      if (named !== null) {
        if (!groupNames.includes(named[1]!)) throw new SyntaxError(`No group with name {${named[1]}}`)
        pieces.push({ name: named[1]! })
        at += named[0].length
      } else if (numbered !== null) {
        const digits = longestGroup(numbered[1]!, groups)
        pieces.push(Number(digits))
        at += digits.length + 1
      } else throw new SyntaxError('Illegal group reference')
    } else {
      pieces.push(char)
      at++
    }
  }
  return found =>
    pieces
      .map(piece =>
        typeof piece === 'string' ? piece : typeof piece === 'number' ? (found[piece] ?? '') : (found.groups?.[piece.name] ?? ''),
      )
      .join('')
}

/** As many digits as still name a group. */
function longestGroup(digits: string, groups: number): string {
  if (Number(digits[0]) > groups) throw new SyntaxError(`No group ${digits[0]}`)
  let length = 1
  while (length < digits.length && Number(digits.slice(0, length + 1)) <= groups) length++
  return digits.slice(0, length)
}
