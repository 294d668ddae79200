/** DeleteAcls (key 31, versions 0–3): deletes access rules that match filters */
import { array, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const deleteAcls = defineApi({
  key: 31,
  name: 'DeleteAcls',
  versions: '0-3',
  flexible: '2+',
  request: {
    filters: array(
      struct({
        resourceTypeFilter: int8(),
        resourceNameFilter: string({ nullable: '0+' }),
        patternTypeFilter: int8({ versions: '1+', default: 3 }),
        principalFilter: string({ nullable: '0+' }),
        hostFilter: string({ nullable: '0+' }),
        operation: int8(),
        permissionType: int8(),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32(),
    filterResults: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: '0+' }),
        matchingAcls: array(
          struct({
            errorCode: int16(),
            errorMessage: string({ nullable: '0+' }),
            resourceType: int8(),
            resourceName: string(),
            patternType: int8({ versions: '1+', default: 3 }),
            principal: string(),
            host: string(),
            operation: int8(),
            permissionType: int8(),
          }),
        ),
      }),
    ),
  },
})
