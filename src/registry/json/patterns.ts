/** Patterns of `patternProperties`: regular expressions of strangers, so their time is limited. */
import { createContext, Script } from 'node:vm'
import { type Budget, InvalidSchema } from '../schema.ts'

const script = new Script('new RegExp(pattern, "u").test(text)')
const context = createContext({ pattern: '', text: '' })
const timeout = 20
/** In steps of the budget. */
const cost = 500

/** Throws InvalidSchema. */
export function matches(budget: Budget, pattern: string, text: string): boolean {
  budget.spend(cost)
  Object.assign(context, { pattern, text })
  try {
    return script.runInContext(context, { timeout }) as boolean
  } catch (error) {
    throw new InvalidSchema(`The pattern ${JSON.stringify(pattern)} cannot be used: ${(error as Error).message}`)
  }
}
