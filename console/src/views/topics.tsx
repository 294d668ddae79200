/** All topics: searched and sorted by the service, drawn as far as they are in sight. */
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { bytes, count, counted } from '../format.ts'
import { topicSorts } from '../router.tsx'
import { Check } from '../ui/button.tsx'
import { type Column, RowLink } from '../ui/grid.tsx'
import { Mark } from '../ui/mark.tsx'
import { useNameSearch } from '../ui/name-search.tsx'
import { Bar, Page } from '../ui/page.tsx'
import { pageSize, usePages } from '../ui/paged.ts'
import { PagedGrid } from '../ui/paged-grid.tsx'
import { Command, Empty } from '../ui/states.tsx'
import { CreateTopic } from './create-topic.tsx'

type Row = Output<'GET /topics'>['rows'][number]

const here = getRouteApi('/topics')

const columns: readonly Column<Row>[] = [
  {
    id: 'name',
    title: 'Topic',
    width: 'minmax(140px, 1fr)',
    sortable: true,
    cell: ({ name }) => <RowLink name={name} to="/topics/$topic" params={{ topic: name }} />,
  },
  { id: 'partitions', title: 'Partitions', width: '92px', right: true, sortable: true, wideOnly: true, cell: row => count(row.partitions) },
  { id: 'replicas', title: 'Replicas', width: '92px', right: true, sortable: true, wideOnly: true, cell: row => count(row.replicas) },
  {
    id: 'records',
    title: 'Records',
    width: '128px',
    right: true,
    wideOnly: true,
    cell: row => <span title="End offsets less start offsets">{count(row.records)}</span>,
  },
  {
    id: 'bytes',
    title: 'On disk',
    width: '96px',
    right: true,
    sortable: true,
    cell: row => <span title={row.bytes === null ? 'Not known' : `${count(row.bytes)} bytes on all brokers`}>{bytes(row.bytes)}</span>,
  },
  { id: 'state', title: 'State', width: '172px', wideOnly: true, cell: row => <State row={row} /> },
]

function State({ row: { offline, underReplicated } }: { row: Row }) {
  if (offline > 0) return <Mark tone="bad">{`${count(offline)} without leader`}</Mark>
  if (underReplicated > 0) return <Mark tone="warn">{`${count(underReplicated)} under-replicated`}</Mark>
  return <Mark tone="good">in sync</Mark>
}

export function Topics() {
  const { internal = false, sort = 'name', descending = false } = here.useSearch()
  const navigate = useNavigate({ from: '/topics' })
  const { wanted, box } = useNameSearch('Search topics')
  const query = { search: wanted, internal, sort, descending, limit: pageSize }
  const pages = usePages(from => asked('GET /topics', { query: { ...query, from } }), 15_000)
  const order = (by: string) =>
    void navigate({
      replace: true,
      search: before =>
        ({
          ...before,
          sort: topicSorts.find(each => each === by),
          descending: sort === by ? !descending || undefined : undefined,
        }) as never,
    })
  return (
    <Page title="Topics" facts={pages.first.data === undefined ? [] : [counted(pages.total, 'topic')]} actions={<CreateTopic />}>
      <Bar>
        {box}
        <Check
          label="Internal topics"
          checked={internal}
          onChange={checked => void navigate({ replace: true, search: before => ({ ...before, internal: checked || undefined }) as never })}
        />
      </Bar>
      <PagedGrid
        pages={pages}
        label="Topics"
        columns={columns}
        keyOf={row => row.name}
        sorting={{ by: sort, descending }}
        onSort={order}
        onOpen={({ name }) => void navigate({ to: '/topics/$topic/messages', params: { topic: name } })}
        empty={<NoTopics search={wanted} />}
      />
    </Page>
  )
}

function NoTopics({ search }: { search: string }) {
  if (search !== '')
    return (
      <Empty title="No topic has this name">
        <p>No name contains “{search}”. Internal topics are only searched if they are shown.</p>
      </Empty>
    )
  return (
    <Empty title="There are no topics yet" action={<CreateTopic />}>
      <Command text="millrace topic create orders --partitions 3" />
    </Empty>
  )
}
