/**
 * A JSON Schema as the rules of compatibility see it: each node has one kind. Where keywords of several kinds stand side by side, the node is the
 * conjunction (`allOf`) of one node for each, as in the library behind Confluent's registry.
 */
import type { Json } from '../json-tree.ts'

export interface Common {
  readonly id: string | null
  readonly title: string | null
  readonly description: string | null
  readonly fallback: Json | undefined
  /** `connect.type` of Kafka Connect's converter. */
  readonly connectType: string | null
  /** Equal for nodes that say the same. As long as their text. */
  readonly key: () => string
}

export interface Anything extends Common {
  readonly kind: 'empty' | 'true' | 'false' | 'boolean' | 'null' | 'conditional'
}

export interface StringNode extends Common {
  readonly kind: 'string'
  readonly minLength: number | null
  readonly maxLength: number | null
  readonly pattern: string | null
}

export interface NumberNode extends Common {
  readonly kind: 'number'
  readonly isInteger: boolean
  readonly minimum: number | null
  readonly maximum: number | null
  readonly exclusiveMinimum: number | null
  readonly exclusiveMaximum: number | null
  readonly multipleOf: number | null
}

export interface ConstNode extends Common {
  readonly kind: 'const'
  readonly value: Json
}

export interface EnumNode extends Common {
  readonly kind: 'enum'
  readonly values: readonly Json[]
}

export type Criterion = 'allOf' | 'anyOf' | 'oneOf'

export interface CombinedNode extends Common {
  readonly kind: 'combined'
  readonly criterion: Criterion
  readonly parts: readonly Node[]
}

export interface NotNode extends Common {
  readonly kind: 'not'
  readonly part: Node
}

export interface ReferenceNode extends Common {
  readonly kind: 'reference'
  readonly target: () => Node
}

export interface ObjectNode extends Common {
  readonly kind: 'object'
  readonly properties: ReadonlyMap<string, Node>
  readonly required: ReadonlySet<string>
  readonly patterns: ReadonlyMap<string, Node>
  /** What properties that are not listed may be: anything, nothing, or what the schema says. */
  readonly additional: boolean | Node
  /** null: the keyword is missing. */
  readonly unevaluated: Node | null
  readonly minProperties: number | null
  readonly maxProperties: number | null
  readonly neededProperties: ReadonlyMap<string, ReadonlySet<string>>
  readonly neededSchemas: ReadonlyMap<string, Node>
}

export interface ArrayNode extends Common {
  readonly kind: 'array'
  /** Of all items. */
  readonly items: Node | null
  /** Of the first items, by position. */
  readonly first: readonly Node[]
  readonly additional: boolean | Node
  readonly unevaluated: Node | null
  readonly minItems: number | null
  readonly maxItems: number | null
  readonly minContains: number | null
  readonly maxContains: number | null
  readonly isUnique: boolean
}

export type Node =
  | Anything
  | StringNode
  | NumberNode
  | ConstNode
  | EnumNode
  | CombinedNode
  | NotNode
  | ReferenceNode
  | ObjectNode
  | ArrayNode
