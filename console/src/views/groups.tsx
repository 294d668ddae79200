/** All groups, with their states and their lag. */
import { useNavigate } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { count, counted } from '../format.ts'
import type { Column } from '../ui/grid.tsx'
import { useNameSearch } from '../ui/name-search.tsx'
import { Bar, Page } from '../ui/page.tsx'
import { pageSize, usePages } from '../ui/paged.ts'
import { PagedGrid } from '../ui/paged-grid.tsx'
import { Command, Empty } from '../ui/states.tsx'
import { groupColumns } from './group-columns.tsx'

type Row = Output<'GET /groups'>['rows'][number]

const { group, state, type, behind } = groupColumns
const columns: readonly Column<Row>[] = [
  { ...group, width: 'minmax(140px, 1fr)' },
  state,
  type,
  { id: 'topics', title: 'Topics', width: '80px', right: true, wideOnly: true, cell: row => count(row.topics) },
  { id: 'lag', title: 'Lag', width: '96px', right: true, cell: row => count(row.lag) },
  behind,
]

export function Groups() {
  const navigate = useNavigate({ from: '/groups' })
  const { wanted, box } = useNameSearch('Search groups')
  const pages = usePages(from => asked('GET /groups', { query: { search: wanted, limit: pageSize, from } }), 10_000)
  return (
    <Page title="Groups" facts={pages.first.data === undefined ? [] : [counted(pages.total, 'group')]}>
      <Bar>{box}</Bar>
      <PagedGrid
        pages={pages}
        label="Groups"
        columns={columns}
        keyOf={row => row.group}
        onOpen={({ group }) => void navigate({ to: '/groups/$group/lag', params: { group } })}
        empty={
          <Empty title={wanted === '' ? 'There are no groups yet' : 'No group has this name'}>
            {wanted === '' && (
              <>
                <p>A group is there as soon as a consumer joins it:</p>
                <Command text="millrace consume orders --group readers" />
              </>
            )}
          </Empty>
        }
      />
    </Page>
  )
}
