/** StreamsGroupTopologyDescriptionUpdate (key 93, version 0): stores the description of a streams group's topology */
import { array, defineApi, int8, int16, int32, string, struct } from '../define.ts'

const topologyDescriptionNode = {
  name: string(),
  nodeType: int8(),
  sourceTopics: array(string()),
  sinkTopic: string({ nullable: '0+', default: null }),
  stores: array(string()),
  successors: array(string()),
}

const topologyDescriptionSubtopology = {
  subtopologyId: string(),
  nodes: array(struct(topologyDescriptionNode)),
}

const topologyDescriptionGlobalStore = {
  source: struct(topologyDescriptionNode),
  processor: struct(topologyDescriptionNode),
}

const topologyDescription = {
  subtopologies: array(struct(topologyDescriptionSubtopology)),
  globalStores: array(struct(topologyDescriptionGlobalStore)),
}

export const streamsGroupTopologyDescriptionUpdate = defineApi({
  key: 93,
  name: 'StreamsGroupTopologyDescriptionUpdate',
  versions: '0',
  flexible: '0+',
  request: {
    groupId: string(),
    memberId: string(),
    topologyEpoch: int32(),
    topologyDescription: struct(topologyDescription),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
  },
})
