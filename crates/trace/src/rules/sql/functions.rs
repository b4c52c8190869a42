//! Functions by what a call of them does: those that change nothing, and those that only concern the session. Any other may write.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::Effect;

/// Functions of PostgreSQL, MySQL and MariaDB that change nothing; types with a length and other words that are written as calls are.
#[rustfmt::skip]
const READS: &[&str] = &[
    // Aggregates and windows.
    "count sum avg min max bool_and bool_or every any_value string_agg array_agg json_agg jsonb_agg json_object_agg jsonb_object_agg xmlagg \
     group_concat json_arrayagg json_objectagg std stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp \
     regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy percentile_cont percentile_disc mode rank \
     dense_rank percent_rank cume_dist ntile row_number lag lead first_value last_value nth_value grouping grouping_id bit_and bit_or bit_xor \
     range_agg range_intersect_agg median approx_count_distinct",
    // What is chosen from values.
    "coalesce nullif greatest least ifnull isnull nvl nvl2 if elt field interval choose case",
    // Numbers.
    "abs ceil ceiling floor round trunc truncate mod div power pow sqrt cbrt exp ln log log2 log10 sign pi random rand degrees radians sin cos \
     tan cot asin acos atan atan2 sinh cosh tanh asinh acosh atanh gcd lcm factorial scale min_scale trim_scale width_bucket crc32 crc32c conv \
     bin oct hex unhex format bit_count get_bit get_byte",
    // Texts.
    "length char_length character_length octet_length bit_length lower upper lcase ucase initcap trim ltrim rtrim btrim lpad rpad left right \
     mid substr substring substring_index strpos position locate instr replace regexp_replace regexp_match regexp_matches regexp_substr \
     regexp_instr regexp_like regexp_count regexp_split_to_array regexp_split_to_table split_part string_to_array string_to_table \
     array_to_string concat concat_ws repeat reverse space translate overlay ascii chr char ord quote quote_ident quote_literal \
     quote_nullable format_type starts_with strcmp soundex find_in_set make_set export_set unaccent similarity \
     word_similarity strict_word_similarity show_trgm levenshtein metaphone dmetaphone to_hex to_ascii normalize encode decode convert \
     convert_from convert_to to_base64 from_base64 weight_string charset collation coercibility",
    // Digests.
    "md5 sha sha1 sha2 sha224 sha256 sha384 sha512 digest hmac crypt gen_salt gen_random_uuid uuid_generate_v4 uuid uuid_short uuid_to_bin \
     bin_to_uuid is_uuid random_bytes gen_random_bytes aes_encrypt aes_decrypt password old_password compress uncompress \
     uncompressed_length",
    // Days and times.
    "now current_timestamp localtimestamp localtime current_date current_time clock_timestamp statement_timestamp transaction_timestamp \
     timeofday sysdate curdate curtime utc_date utc_time utc_timestamp unix_timestamp from_unixtime date time datetime timestamp timestamptz \
     year quarter month monthname week weekday weekofyear yearweek day dayname dayofmonth dayofweek dayofyear hour minute second microsecond \
     extract date_part date_trunc date_bin date_add date_sub adddate subdate addtime subtime datediff timediff timestampadd timestampdiff \
     period_add period_diff date_format time_format str_to_date get_format makedate maketime make_date make_time make_timestamp \
     make_timestamptz make_interval last_day to_days from_days to_seconds sec_to_time time_to_sec to_char to_date to_timestamp to_number \
     age isfinite justify_days justify_hours justify_interval convert_tz timezone pg_sleep pg_sleep_for pg_sleep_until sleep benchmark",
    // Rows, arrays and ranges.
    "row array cast try_cast array_append array_prepend array_cat array_remove array_replace array_position array_positions array_length \
     array_dims array_ndims array_lower array_upper array_fill array_sample array_shuffle cardinality trim_array unnest generate_series \
     generate_subscripts lower_inc upper_inc lower_inf upper_inf isempty range_merge int4range int8range numrange daterange tsrange tstzrange",
    // JSON, XML, text search, networks, vectors.
    "to_json to_jsonb row_to_json array_to_json json_build_object jsonb_build_object json_build_array jsonb_build_array json_object \
     jsonb_object json_array json_array_length jsonb_array_length json_array_elements jsonb_array_elements json_array_elements_text \
     jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text json_object_keys jsonb_object_keys json_extract_path \
     jsonb_extract_path json_extract_path_text jsonb_extract_path_text json_populate_record jsonb_populate_record json_populate_recordset \
     jsonb_populate_recordset json_to_record jsonb_to_record json_to_recordset jsonb_to_recordset json_typeof jsonb_typeof \
     json_strip_nulls jsonb_strip_nulls jsonb_set jsonb_set_lax jsonb_insert jsonb_pretty jsonb_path_exists jsonb_path_match \
     jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_exists jsonb_contains json_scalar json_serialize json_exists \
     json_query json_value json_table json_extract json_unquote json_quote json_contains json_contains_path json_keys json_length json_depth \
     json_type json_valid json_search json_merge json_merge_patch json_merge_preserve json_set json_insert json_replace json_remove \
     json_array_append json_array_insert json_pretty json_storage_size json_overlaps json_compact json_detailed json_loose \
     xmlelement xmlattributes xmlforest xmlconcat xmlparse xmlserialize xmlcomment xmlpi xmlroot xmltable xmlexists xpath xpath_exists \
     extractvalue updatexml to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline \
     ts_lexize ts_debug ts_parse setweight strip numnode querytree tsvector_to_array array_to_tsvector match against host hostmask masklen \
     netmask network broadcast family abbrev set_masklen text inet_same_family inet_merge inet_aton inet_ntoa inet6_aton inet6_ntoa is_ipv4 \
     is_ipv6 cosine_distance l2_distance l1_distance inner_product vector_dims vector_norm l2_normalize vec_distance vec_distance_cosine \
     vec_distance_euclidean vec_fromtext vec_totext point polygon linestring box circle lseg path area center diameter",
    // The server and the session.
    "version database schema schemas user current_user session_user system_user current_role current_schema current_schemas \
     current_database current_catalog current_query current_setting connection_id last_insert_id row_count found_rows currval lastval \
     is_used_lock is_free_lock inet_client_addr inet_client_port inet_server_addr inet_server_port pg_backend_pid pg_blocking_pids \
     pg_is_in_recovery pg_postmaster_start_time pg_conf_load_time pg_typeof pg_column_size pg_relation_size pg_total_relation_size \
     pg_table_size pg_indexes_size pg_database_size pg_tablespace_size pg_size_pretty pg_size_bytes pg_relation_filenode \
     pg_relation_filepath pg_table_is_visible pg_type_is_visible pg_function_is_visible pg_encoding_to_char pg_char_to_encoding \
     pg_client_encoding pg_my_temp_schema pg_is_other_temp_schema pg_index_column_has_property pg_index_has_property \
     pg_indexam_has_property pg_options_to_table pg_tablespace_location pg_tablespace_databases pg_current_wal_lsn \
     pg_current_wal_insert_lsn pg_current_wal_flush_lsn pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp \
     pg_wal_lsn_diff pg_walfile_name pg_lock_status pg_show_all_settings pg_timezone_names pg_timezone_abbrevs pg_cursor \
     pg_prepared_statement pg_available_extensions pg_partition_tree pg_partition_root pg_partition_ancestors pg_xact_status \
     pg_has_role txid_current txid_current_if_assigned txid_current_snapshot txid_status pg_current_xact_id pg_snapshot_xmin \
     pg_sequence_last_value pg_sequence_parameters col_description obj_description shobj_description to_regclass to_regtype to_regproc \
     to_regprocedure to_regnamespace to_regrole acldefault aclexplode makeaclitem row_security_active oidvectortypes \
     getdatabaseencoding ts_token_type pg_relation_is_publishable pg_collation_is_visible pg_conversion_is_visible pg_opclass_is_visible \
     pg_operator_is_visible pg_opfamily_is_visible pg_statistics_obj_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible \
     pg_ts_parser_is_visible pg_ts_template_is_visible operator",
    // Types with a length, and what is written as a call.
    "varchar character varying bpchar numeric decimal dec float double real bit varbit binary varbinary signed unsigned timetz int integer \
     bigint smallint tinyint vector halfvec sets rollup cube group lateral partition index repeatable bernoulli columns ordinality straight_join \
     xor regexp rlike escape symmetric both leading trailing fetch first next top last range rows groups exclude collate",
];
/// Functions that read, by how their names begin.
const READ_PREFIXES: &[&str] = &["st_", "pg_get_", "pg_stat_get_", "has_"];
/// Functions that concern the session: its settings and its locks.
#[rustfmt::skip]
const CONTROLS: &[&str] = &["set_config setseed get_lock release_lock release_all_locks pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock \
     pg_advisory_unlock_shared pg_advisory_unlock_all pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock \
     pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared"];

/// What a call of a function of this name does.
pub(super) fn effect(name: &str) -> Effect {
    static BY_NAME: LazyLock<HashMap<&str, Effect>> = LazyLock::new(|| {
        let of = |names: &'static [&str], effect| {
            names.iter().flat_map(|names| names.split_ascii_whitespace()).map(move |name| (name, effect))
        };
        of(READS, Effect::Read).chain(of(CONTROLS, Effect::Control)).collect()
    });
    let name = name.to_ascii_lowercase();
    let by_prefix = || READ_PREFIXES.iter().any(|prefix| name.starts_with(prefix)).then_some(Effect::Read);
    BY_NAME.get(&*name).copied().or_else(by_prefix).unwrap_or(Effect::Write)
}
