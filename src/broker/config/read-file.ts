/** Configuration files: YAML (with nested or dotted keys, or both) and Java `.properties`. */
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml'
import { DiskError, type FileSystem } from '../../base.ts'
import { parseProperties } from '../../formats.ts'
import type { Given } from './broker-config.ts'

/** The values by key, or a description of the problem. */
export function readConfigFile(files: FileSystem, path: string): Map<string, Given> | string {
  let content: Buffer | null
  try {
    content = files.readFile(path)
  } catch (error) {
    if (error instanceof DiskError) return `cannot read the configuration file ${path}: ${error.code}`
    throw error
  }
  if (content === null) return `configuration file not found: ${path}`
  return path.endsWith('.properties') ? fromProperties(content.toString('utf8'), path) : parseYaml(content.toString('utf8'), path)
}

function fromProperties(text: string, path: string): Map<string, Given> | string {
  const parsed = parseProperties(text)
  if (typeof parsed === 'string') return `${path}: ${parsed}`
  return new Map([...parsed].map(([name, { value, line }]) => [name, { text: value, from: `${path}:${line}` }]))
}

export function parseYaml(text: string, path: string): Map<string, Given> | string {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, intAsBigInt: true })
  const [error] = document.errors
  if (error) return `${path}: ${error.message}`
  const values = new Map<string, Given>()
  if (document.contents === null) return values
  const problem = collect(document.contents as Node, '', { values, lines, path })
  return problem === null ? values : `${path}: ${problem}`
}

interface Collected {
  values: Map<string, Given>
  lines: LineCounter
  path: string
}

/** Adds everything below `node` to `into.values`; returns a description of the problem, or null. */
function collect(node: Node | null, prefix: string, into: Collected): string | null {
  if (isMap(node)) {
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      const name = isScalar(pair.key) ? String(pair.key.value) : null
      if (name === null) return `${prefix === '' ? 'a key' : `a key under ${prefix}`} is not a plain word`
      const problem = collect(pair.value, prefix === '' ? name : `${prefix}.${name}`, into)
      if (problem !== null) return problem
    }
    return null
  }
  if (prefix === '')
    return 'it must contain keys with values, for example `num.partitions: 3` (a file with lines such as `num.partitions=3` must be named *.properties)'
  if (node === null || (isScalar(node) && node.value === null)) return null
  const text = isScalar(node) ? scalarText(node.value, node.source) : isSeq(node) ? listText(node.items as Node[]) : null
  if (text === null) return `${prefix} must be a value or a list of values`
  if (into.values.has(prefix)) return `${prefix} is set twice`
  into.values.set(prefix, { text, from: `${into.path}:${into.lines.linePos(node.range?.[0] ?? 0).line}` })
  return null
}

/** Numbers as they were written (Kafka does not read `1e3` or `0x10`), strings as their text. */
function scalarText(value: unknown, source: string | undefined): string {
  return typeof value === 'string' || source === undefined ? String(value) : source
}

function listText(items: readonly Node[]): string | null {
  const words = items.map(item => (isScalar(item) ? scalarText(item.value, item.source) : null))
  return words.includes(null) ? null : words.join(',')
}
