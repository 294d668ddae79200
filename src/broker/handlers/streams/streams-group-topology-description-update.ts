/**
 * StreamsGroupTopologyDescriptionUpdate, v0: a member sends the description of its topology. Kafka passes it to a plug-in (a Java class,
 * `group.streams.topology.description.plugin.class`) and rejects it if there is none. So does Millrace, and its heartbeats never request it.
 */
import { apis, errorCode, KafkaError } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireGroup } from '../groups/group-caller.ts'
import { requireStreamsGroups } from './streams-requests.ts'

export const streamsGroupTopologyDescriptionUpdate = defineHandler<typeof apis.streamsGroupTopologyDescriptionUpdate>({
  api: apis.streamsGroupTopologyDescriptionUpdate,
  versions: [0, 0],
  access: [['GROUP', 'READ']],
  cost: manyThings(null),
  handle(request, context) {
    requireStreamsGroups(context)
    requireGroup(context, 'READ', request.groupId)
    throw new KafkaError('UNSUPPORTED_VERSION', 'The broker has no streams group topology description plugin configured.')
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: errorCode(error.name), errorMessage: error.message }),
})
