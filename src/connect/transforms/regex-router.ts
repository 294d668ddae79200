/** RegexRouter: another topic by a regular expression that matches the whole name. */
import { string } from '../../base.ts'
import { openRouting } from './routing.ts'
import { defineTransform } from './transform.ts'

export const regexRouter = defineTransform({
  name: 'RegexRouter',
  sides: false,
  summary: 'changes the topic by a regular expression',
  keys: {
    regex: string({
      required: true,
      mayBeEmpty: true,
      importance: 'high',
      doc: 'A Java regular expression that matches whole topics. Refused are possessive quantifiers, atomic groups, back references, lookahead, Unicode properties and intersections of classes: what remains takes no longer the more a name repeats itself.',
    }),
    replacement: string({ required: true, mayBeEmpty: true, importance: 'high', doc: `The new topic; $1 or \${name} stand for groups.` }),
  },
  open({ regex, replacement }, { refuse }) {
    const route = openRouting({ keys: ['regex', 'replacement'], regex, replacement }, refuse)
    return {
      apply(record) {
        const topic = route(record.topic)
        return topic === null ? record : { ...record, topic }
      },
    }
  },
})
