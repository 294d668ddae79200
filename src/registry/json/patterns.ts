/** Patterns of `patternProperties`: regular expressions of strangers, so their time is limited. */
import { createContext, Script } from 'node:vm'
import { linearRegExp } from '../../base.ts'
import { type Budget, InvalidSchema } from '../schema.ts'

const script = new Script('new RegExp(pattern, "u").test(text)')
const context = createContext({ pattern: '', text: '' })
const timeout = 20
/** Of a pattern that can take that long: more than the steps of what is judged on the event loop. */
const costOfSearch = 1_500

/** Throws InvalidSchema. */
export function matches(budget: Budget, pattern: string, text: string): boolean {
  budget.spend(1 + (pattern.length * text.length) / 4_096)
  const linear = compiled(pattern)
  if (linear !== null) return linear.test(text)
  budget.spend(costOfSearch)
  Object.assign(context, { pattern, text })
  try {
    return script.runInContext(context, { timeout }) as boolean
  } catch (error) {
    throw new InvalidSchema(`The pattern ${JSON.stringify(pattern)} cannot be used: ${(error as Error).message}`)
  }
}

/** null: only a search with backtracking can tell, if anything. */
function compiled(pattern: string): RegExp | null {
  try {
    return linearRegExp(pattern)
  } catch {
    return null
  }
}
