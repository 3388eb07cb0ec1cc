import type { Static } from '@sinclair/typebox'
import type { History, PhotoStatistics, Upload, UploadDetails, Uploaded, WaitingUpload } from './schemas.js'

const at = new Date('2026-11-22T12:00:00.000Z')
const id = '019ab1c2-7d00-7000-8000-000000000003'
const address = 'https://api.example.com/files/photos/2026/11/6f1ed002ab5595859014ebf0951522d9'

const uploaded: Uploaded = {
  upload_id: id,
  status: 'pending',
  amount: 58.5,
  image_url: `${address}.jpg`,
  thumbnail_url: `${address}_t.jpg`,
  file_size: 183_204,
  expected_points: 585,
  points_awarded: 0,
  message: '您的消费凭证已提交，商家将在24小时内完成审核',
  estimated_review_time: '24小时内',
  created_at: at
}

const upload: Upload = {
  upload_id: id,
  image_url: uploaded.image_url,
  thumbnail_url: uploaded.thumbnail_url,
  amount: 58.5,
  actual_amount: 58.5,
  points_awarded: 585,
  status: 'approved',
  review_status: 'approved',
  review_reason: null,
  reason_code: null,
  reason_text: null,
  reason_advice: null,
  review_time: at,
  appeal: null,
  appeal_until: null,
  created_at: at
}

const own: WaitingUpload = { ...upload, queue_position: null, estimated_wait: null }

const details: UploadDetails = {
  ...own,
  expected_points: 585,
  description: '',
  message: '恭喜！您的消费凭证审核通过，获得585积分奖励'
}

const statistics: PhotoStatistics = {
  total_uploads: 1,
  approved_uploads: 1,
  pending_uploads: 0,
  rejected_uploads: 0,
  revoked_uploads: 0,
  total_points_earned: 585,
  approval_rate: 1
}

const history: Static<typeof History> = {
  history: [own],
  summary: statistics,
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

/** What the documentation shows of each answer. */
export const examples = { uploaded, upload, details, statistics, history }
