/** Java's JAAS syntax: `org.example.Module required name=value name="value";`, as far as Kafka's `sasl.jaas.config` uses it. */

export interface JaasLogin {
  module: string
  options: ReadonlyMap<string, string>
}

const token = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([=;])|([^\s=;"']+))/y
const flags = new Set(['required', 'requisite', 'sufficient', 'optional'])
const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }

/** Throws Error with what is wrong, never with a value: they are secrets. */
export function parseJaas(text: string): JaasLogin {
  const words = tokens(text)
  const module = words.shift()
  const flag = words.shift()
  if (module === undefined || flag === undefined || !flags.has(flag.toLowerCase())) {
    throw new Error('it must start with the name of a login module and a control flag, such as `required`')
  }
  const options = new Map<string, string>()
  while (words.length > 0 && words[0] !== ';') {
    const [key, equals, value] = words.splice(0, 3)
    if (equals !== '=' || value === undefined || value === ';') throw new Error(`the option ${key} has no value`)
    options.set(key!, value)
  }
  if (words.length !== 1) throw new Error('it must be a single login module and end with a semicolon')
  return { module, options }
}

function tokens(text: string): string[] {
  const words: string[] = []
  token.lastIndex = 0
  const end = text.trimEnd().length
  while (token.lastIndex < end) {
    const match = token.exec(text)
    if (match === null) throw new Error('a quotation mark is not closed')
    const quoted = match[1] ?? match[2]
    words.push(quoted === undefined ? (match[3] ?? match[4])! : quoted.replace(/\\(.)/gs, (_, char: string) => escapes[char] ?? char))
  }
  return words
}
