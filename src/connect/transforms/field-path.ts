/** Paths to fields: `name`, or with the syntax V2 (KIP-821) `outer.inner`, where backticks enclose names with dots: `` `foo.bar`.baz ``. */
import { type ConnectValue, type Field, fieldOf, type Schema, type Struct } from '../../connector.ts'
import { fieldValue } from '../values/schemas.ts'
import { requireMap, requireStruct } from './require.ts'

const nested = 'nested field access'

export class FieldPath {
  readonly #steps: readonly string[]

  /** Throws SyntaxError. */
  constructor(path: string, version: 'V1' | 'V2') {
    this.#steps = version === 'V1' ? [path] : parsePath(path)
  }

  field(schema: Schema): Field | undefined {
    let field: Field | undefined
    let at: Schema | undefined = schema
    for (const step of this.#steps) {
      field = at === undefined ? undefined : fieldOf(at, step)
      at = field?.schema
    }
    return field
  }

  /** null if anything on the way is not there. */
  valueIn(value: Struct, schema: Schema, withDefault: boolean): ConnectValue {
    let found: ConnectValue = value
    let at = schema
    for (const [index, step] of this.#steps.entries()) {
      if (found === null) return null
      const field = fieldOf(at, step)
      const inside = requireStruct(found, at, nested)
      if (field === undefined) return null
      found = fieldValue(inside, field, withDefault || index < this.#steps.length - 1)
      at = field.schema
    }
    return found
  }

  /** Without a schema. */
  valueInMap(value: Struct): ConnectValue {
    let found: ConnectValue = value
    for (const step of this.#steps) {
      if (found === null) return null
      found = requireMap(found, nested)[step] ?? null
    }
    return found
  }
}

/** Throws SyntaxError. Exported for tests. */
export function parsePath(path: string): string[] {
  const steps: string[] = []
  let at = 0
  while (at < path.length) {
    if (path[at] === '`') {
      const [step, next] = enclosed(path, at)
      steps.push(step)
      at = next
    } else {
      const dot = path.indexOf('.', at)
      steps.push(path.slice(at, dot < 0 ? undefined : dot))
      at = dot < 0 ? path.length : dot + 1
    }
  }
  if (path === '' || path.endsWith('.')) steps.push('')
  return steps
}

/** The name between backticks, and where the next one begins. Only a backtick at the end or before a dot ends a name, unless a backslash stands before it. */
function enclosed(path: string, start: number): [step: string, next: number] {
  let step = ''
  let from = start + 1
  for (let at = path.indexOf('`', from); at >= 0; at = path.indexOf('`', at + 1)) {
    const escaped = path[at - 1] === '\\'
    if (at === path.length - 1) {
      if (escaped) break
      return [step + path.slice(from, at), path.length]
    }
    if (path[at + 1] !== '.') continue
    if (!escaped) return [step + path.slice(from, at), at + 2]
    step += `${path.slice(from, at - 1)}\``
    from = at + 1
  }
  throw new SyntaxError(
    `Incomplete backtick pair in path: [${path}], consider adding a backslash before backtick at position ${start} to escape it`,
  )
}
