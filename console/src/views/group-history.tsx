/** When the members of a group changed in the last hour, and why. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { asked } from '../api.ts'
import { time, utc } from '../format.ts'
import { Content } from '../ui/page.tsx'
import { Empty, Failed, Loading } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'

const here = getRouteApi('/groups/$group')

export function GroupHistory() {
  const { group } = here.useParams()
  const history = useQuery({ ...asked('GET /groups/:group/history', { params: { group } }), refetchInterval: 10_000 })
  if (history.isPending) return <Loading />
  if (history.isError) return <Failed error={history.error} retry={() => void history.refetch()} needs={`DESCRIBE on the group ${group}`} />
  const { changes } = history.data
  if (changes.length === 0)
    return (
      <Empty title="Nothing has changed since the console was started">
        <p>The group is looked at every ten seconds. Who joins and who leaves, and what follows from it, is then told here.</p>
      </Empty>
    )
  return (
    <Content>
      <Table
        label="Rebalances"
        heads={['Time', 'What happened']}
        rows={changes.map(({ at, text }) => [
          <span key="time" title={utc(at)}>
            {time(at)}
          </span>,
          text,
        ])}
      />
    </Content>
  )
}
