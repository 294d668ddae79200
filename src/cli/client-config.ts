/** Kafka's client.properties, without the client itself, which takes long to load. */
import { realSystem } from '../base.ts'
import { parseProperties } from '../formats.ts'
import { UsageError } from './output.ts'

/** `named`: the flag or key that names the file. Throws UsageError. */
export function readClientConfig(path: string, named: string): Record<string, string> {
  const content = realSystem().files.readFile(path)
  if (content === null) throw new UsageError(`${named}: file not found: ${path}`)
  const parsed = parseProperties(content.toString('utf8'))
  if (typeof parsed === 'string') throw new UsageError(`${named} ${path}: ${parsed}`)
  return Object.fromEntries(Array.from(parsed, ([key, { value }]) => [key, value]))
}
