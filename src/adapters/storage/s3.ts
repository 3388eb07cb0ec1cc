import assert from 'node:assert/strict'
import type { Config } from '../../config.js'
import { assertKey } from './local.js'
import type { ObjectStorage } from './storage.js'

export type S3Settings = Pick<
  Config,
  'S3_ENDPOINT' | 'S3_REGION' | 'S3_BUCKET' | 'S3_ACCESS_KEY' | 'S3_SECRET_KEY' | 'S3_PUBLIC_URL'
>

/** How long one attempt may take; there are three, a moment apart. */
interface S3Limits {
  readonly connectMs: number
  readonly requestMs: number
}

/** A photograph is fitted and compressed before it comes here, so five seconds are many. */
const LIMITS: S3Limits = { connectMs: 2000, requestMs: 5000 }
const ATTEMPTS = 3
/** A key is never used for other bytes. */
const CACHE_CONTROL = 'public, max-age=31536000, immutable'

/**
 * A bucket of any S3-compatible service: AWS, Aliyun OSS, Tencent COS, MinIO. The bucket must exist, and let
 * everybody read. The client's library is loaded here, so that whoever stores locally does not pay its memory.
 */
export async function createS3Storage(settings: S3Settings, limits: S3Limits = LIMITS): Promise<ObjectStorage> {
  const { S3_ENDPOINT: endpoint, S3_BUCKET: bucket, S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey } = settings
  assert(endpoint && bucket && accessKey && secretKey, 'STORAGE=s3 needs its endpoint, bucket and keys')
  const {
    DeleteObjectCommand,
    GetObjectCommand,
    HeadBucketCommand,
    HeadObjectCommand,
    ListObjectsV2Command,
    PutObjectCommand,
    S3Client
  } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    endpoint,
    region: settings.S3_REGION,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    forcePathStyle: true,
    // Newer clients add a checksum to every request, and frame a streamed body with it; servers that do not know of
    // that store the frame as part of the file, and report no error.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: limits.connectMs,
      requestTimeout: limits.requestMs,
      // Without it the client only warns.
      throwOnRequestTimeout: true,
      // An answer that stops half-way.
      socketTimeout: limits.requestMs
    }
  })
  const publicUrl = (settings.S3_PUBLIC_URL ?? `${endpoint.replace(/\/+$/, '')}/${bucket}`).replace(/\/+$/, '')

  return {
    async put(key, body, contentType) {
      assertKey(key)
      await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: body,
          ContentType: contentType,
          CacheControl: CACHE_CONTROL
        })
      )
    },

    async get(key) {
      assertKey(key)
      const found = await unlessAbsent(client.send(new GetObjectCommand({ Bucket: bucket, Key: key })))
      const bytes = await found?.Body?.transformToByteArray()
      return bytes && Buffer.from(bytes)
    },

    async remove(key) {
      assertKey(key)
      // S3 says nothing of an absent object; some who speak its language do.
      await unlessAbsent(client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })))
    },

    async exists(key) {
      assertKey(key)
      return (await unlessAbsent(client.send(new HeadObjectCommand({ Bucket: bucket, Key: key })))) !== undefined
    },

    async *list(prefix) {
      let from: string | undefined
      do {
        const page = await client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix,
            ...(from === undefined ? {} : { ContinuationToken: from })
          })
        )
        for (const { Key: key, LastModified: storedAt } of page.Contents ?? []) {
          if (key !== undefined && storedAt !== undefined) yield { key, storedAt }
        }
        from = page.IsTruncated ? page.NextContinuationToken : undefined
      } while (from !== undefined)
    },

    url: (key) => `${publicUrl}/${key}`,

    async check() {
      await client.send(new HeadBucketCommand({ Bucket: bucket }))
    }
  }
}

/** What is answered; undefined where nothing lies under the key. */
async function unlessAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (err) {
    if (['NotFound', 'NoSuchKey'].includes((err as Error).name)) return undefined
    throw err
  }
}
