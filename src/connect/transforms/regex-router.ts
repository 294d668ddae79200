/** RegexRouter: another topic by a regular expression that matches the whole name. */
import { string } from '../../base.ts'
import { javaPattern, javaReplacement } from '../values/java-reg-exp.ts'
import { defineTransform } from './transform.ts'

export const regexRouter = defineTransform({
  name: 'RegexRouter',
  sides: false,
  summary: 'changes the topic by a regular expression',
  keys: {
    regex: string({
      default: null,
      importance: 'high',
      doc: 'A Java regular expression that matches whole topics. Refused are possessive quantifiers, atomic groups, back references, lookahead, Unicode properties and intersections of classes: what remains takes no longer the more a name repeats itself.',
    }),
    replacement: string({ default: null, importance: 'high', doc: `The new topic; $1 or \${name} stand for groups.` }),
  },
  required: ['regex', 'replacement'],
  open({ regex, replacement }, { refuse }) {
    const compiled = <T>(key: string, text: string, compile: () => T): T => {
      try {
        return compile()
      } catch (error) {
        throw error instanceof SyntaxError ? refuse(key, text, `Invalid regex: ${error.message}`) : error
      }
    }
    const pattern = compiled('regex', regex, () => javaPattern(regex))
    const replace = compiled('replacement', replacement, () => javaReplacement(replacement, pattern))
    return {
      apply(record) {
        const found = pattern.match(record.topic)
        return found === null ? record : { ...record, topic: replace(found) }
      },
    }
  },
})
