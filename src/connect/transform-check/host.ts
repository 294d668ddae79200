/**
 * What is wrong with the transforms of a configuration, for the API. Scripts and expressions are code of strangers, and what is long takes long: such are checked in a thread of
 * their own.
 */
import type { System } from '../../base.ts'
import { answerOf, OverLimit } from '../bounded-thread.ts'
import type { Config } from '../plugin-config.ts'
import { runsCode, transformProblems } from '../transforms.ts'

const threadFile = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js'

/** By key. */
type Problems = ReadonlyMap<string, readonly string[]>

/** Of the keys of transforms and predicates: what is shorter is checked at once. */
const shortBytes = 8_192

export async function checkTransforms(config: Config, system: System): Promise<Problems> {
  const own = new Map([...config].filter(([key]) => /^(?:transforms|predicates)(?:\.|$)/.test(key)))
  const bytes = [...own].reduce((sum, [key, value]) => sum + key.length + value.length, 0)
  if (bytes <= shortBytes && !runsCode(own)) return transformProblems(own, { system })
  try {
    return await answerOf<Problems>({ name: 'check of transforms', file: new URL(threadFile, import.meta.url), order: own }, system)
  } catch (error) {
    if (!(error instanceof OverLimit)) throw error
    return new Map([['transforms', [`The transforms could not be checked: ${error.message}`]]])
  }
}
