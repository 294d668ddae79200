/** The levels of compatibility: with which versions a new schema is compared, and in which direction. */
import { isTransitiveLevel, type Level } from './levels.ts'
import type { Budget, ParsedSchema, Policy, Reason } from './schema.ts'
import { differencesOf } from './schemas.ts'

export interface Candidate {
  readonly type: string
  readonly schema: ParsedSchema
}

export interface Earlier extends Candidate {
  readonly version: number
  /** As it is stored. */
  readonly text: string
}

const mostTextShown = 10_240
const mostReasons = 1_000

/** Why `candidate` must not follow `earlier` (the newest first; parsed when they are asked for); empty if it may. Throws InvalidSchema. */
export function incompatibilities(
  level: Level,
  policy: Policy,
  candidate: Candidate,
  earlier: Iterable<Earlier>,
  budget: () => Budget,
): string[] {
  if (level === 'NONE') return []
  const isTransitive = isTransitiveLevel(level)
  for (const each of earlier) {
    const found = compare(level, policy, candidate, each, budget())
    if (found.length > 0 || !isTransitive) return found
  }
  return []
}

function compare(level: Level, policy: Policy, candidate: Candidate, earlier: Earlier, budget: Budget): string[] {
  if (candidate.type !== earlier.type) return ['Incompatible because of different schema type']
  const found: string[] = []
  const tell = (reasons: Reason[], reader: string, writer: string) =>
    found.push(...reasons.slice(0, mostReasons).map(reason => reason(reader, writer)))
  if (!level.startsWith('BACKWARD')) tell(differencesOf(earlier.schema, candidate.schema, policy, budget), 'old', 'new')
  if (!level.startsWith('FORWARD')) tell(differencesOf(candidate.schema, earlier.schema, policy, budget), 'new', 'old')
  if (found.length === 0) return []
  const { version, text } = earlier
  const shown = text.length <= mostTextShown ? `{oldSchema: '${text}'}` : `{oldSchema: <truncated> '${text.slice(0, mostTextShown)}...'}`
  return [...found, `{oldSchemaVersion: ${version}}`, shown]
}
