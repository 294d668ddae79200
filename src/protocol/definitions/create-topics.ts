/** CreateTopics (key 19, versions 0–7): creates topics */
import { array, bool, defineApi, int8, int16, int32, string, struct, uuid } from '../define.ts'

export const createTopics = defineApi({
  key: 19,
  name: 'CreateTopics',
  versions: '0-7',
  flexible: '5+',
  request: {
    topics: array(
      struct({
        name: string(),
        numPartitions: int32(),
        replicationFactor: int16(),
        assignments: array(
          struct({
            partitionIndex: int32(),
            brokerIds: array(int32()),
          }),
        ),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: bool({ versions: '1+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', ignorable: true }),
    topics: array(
      struct({
        name: string(),
        topicId: uuid({ versions: '7+', ignorable: true }),
        errorCode: int16(),
        errorMessage: string({ versions: '1+', nullable: '1+', ignorable: true }),
        topicConfigErrorCode: int16({ versions: '5+', tag: 0, ignorable: true }),
        numPartitions: int32({ versions: '5+', default: -1, ignorable: true }),
        replicationFactor: int16({ versions: '5+', default: -1, ignorable: true }),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: '5+' }),
            readOnly: bool(),
            configSource: int8({ default: -1, ignorable: true }),
            isSensitive: bool(),
          }),
          { versions: '5+', nullable: '5+', ignorable: true },
        ),
      }),
    ),
  },
})
