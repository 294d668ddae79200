/** Names that are made of others by a Java regular expression, which matches the whole name. */
import type { Refuse } from '../plugin-config.ts'
import { javaPattern, javaReplacement } from '../values/java-reg-exp.ts'

export interface RoutingKeys {
  /** Names of the keys that have them, for errors. */
  readonly keys: readonly [regex: string, replacement: string]
  readonly regex: string
  readonly replacement: string
}

/** null: it does not match. Throws InvalidConfig. */
export function openRouting({ keys, regex, replacement }: RoutingKeys, refuse: Refuse): (name: string) => string | null {
  const compiled = <T>(key: string, text: string, compile: () => T): T => {
    try {
      return compile()
    } catch (error) {
      throw error instanceof SyntaxError ? refuse(key, text, `Invalid regex: ${error.message}`) : error
    }
  }
  const pattern = compiled(keys[0], regex, () => javaPattern(regex))
  const replace = compiled(keys[1], replacement, () => javaReplacement(replacement, pattern))
  return name => {
    const found = pattern.match(name)
    return found === null ? null : replace(found)
  }
}
