/** DeleteTopics (key 20, versions 0–6): deletes topics, by name or (version 6) by id */
import { array, defineApi, int16, int32, string, struct, uuid } from '../define.ts'

export const deleteTopics = defineApi({
  key: 20,
  name: 'DeleteTopics',
  versions: '0-6',
  flexible: '4+',
  request: {
    topics: array(
      struct({
        name: string({ nullable: '6+', default: null }),
        topicId: uuid(),
      }),
      { versions: '6+' },
    ),
    topicNames: array(string(), { versions: '0-5', ignorable: true }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    responses: array(
      struct({
        name: string({ nullable: '6+' }),
        topicId: uuid({ versions: '6+', ignorable: true }),
        errorCode: int16(),
        errorMessage: string({ versions: '5+', nullable: '5+', default: null, ignorable: true }),
      }),
    ),
  },
})
