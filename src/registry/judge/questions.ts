/** What only who has parsed a schema can say of it, as plain data, so that it can be asked of another thread. */
import { createHash } from 'node:crypto'
import { type Earlier, incompatibilities } from '../compatibility.ts'
import type { Level } from '../levels.ts'
import { type Budget, InvalidSchema, type Policy, type Resolved, TooComplex } from '../schema.ts'
import { parseSchema } from '../schemas.ts'

export interface SchemaText {
  readonly type: string
  readonly text: string
  readonly resolved: readonly Resolved[]
}

export interface EarlierText extends SchemaText {
  readonly version: number
}

export interface Forms {
  readonly canonical: string
  readonly normalized: string
  /** The same for schemas that mean the same. */
  readonly identity: string
}

export type Question =
  | { readonly kind: 'forms'; readonly schema: SchemaText; readonly strict: boolean }
  | { readonly kind: 'format'; readonly schema: SchemaText; readonly format: string }
  | { readonly kind: 'identities'; readonly schemas: readonly SchemaText[] }
  | {
      readonly kind: 'incompatibilities'
      readonly level: Level
      readonly policy: Policy
      readonly candidate: SchemaText
      /** The newest first. */
      readonly earlier: readonly EarlierText[]
    }

export interface Answers {
  forms: Forms
  format: string
  /** null: of a schema that another registry has stored, and ours does not understand. */
  identities: (string | null)[]
  incompatibilities: string[]
}

/** `budget` opens one for each schema. Throws InvalidSchema. */
export function answer(question: Question, budget: () => Budget): Answers[keyof Answers] {
  switch (question.kind) {
    case 'forms': {
      const { canonical, normalized, identity } = parse(question.schema, budget(), question.strict)
      return { canonical, normalized, identity: digest(identity) }
    }
    case 'format':
      return parse(question.schema, budget()).formatted(question.format)
    case 'identities':
      return question.schemas.map(schema => identityOf(schema, budget()))
    case 'incompatibilities': {
      const { level, policy, candidate, earlier } = question
      return incompatibilities(level, policy, { type: candidate.type, schema: parse(candidate, budget()) }, parsed(earlier, budget), budget)
    }
  }
}

function* parsed(earlier: readonly EarlierText[], budget: () => Budget): Generator<Earlier> {
  for (const each of earlier) yield { type: each.type, schema: parse(each, budget()), version: each.version, text: each.text }
}

function identityOf(schema: SchemaText, budget: Budget): string | null {
  try {
    return digest(parse(schema, budget).identity)
  } catch (error) {
    if (error instanceof InvalidSchema && !(error instanceof TooComplex)) return null
    throw error
  }
}

function parse({ type, text, resolved }: SchemaText, budget: Budget, strict = false) {
  return parseSchema(type, { text, resolved, strict, budget })
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
